"""The catalogue of entity types: pure data that policy, screening and protection share.

To add a type: one row here, a recognizer in ``screening/recognizers/``, a rule in
``policies/default/screening.yaml`` (or its group is already ruled), a line in the docs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["CATALOGUE", "TOKEN", "EntityType", "Evidence", "Group", "tokens_in"]

TOKEN = re.compile(r"(?ai)(?<![0-9A-Z])[A-Z]{3}X[0-9A-HJKMNP-TV-Z]{12}(?![0-9A-Z])")
"""The surrogate grammar (DESIGN §5): mnemonic, X, 60 bits in Crockford's base 32."""

TOKEN_LENGTH = 16
MNEMONIC = 3
RARE = 16
"""Where fewer than one character in so many is an X, looking for that letter first is faster."""


def tokens_in(text: str) -> list[re.Match[str]]:
    """Return every surrogate in ``text``, by start; the same as ``TOKEN.finditer``, but quick in prose."""
    if (text.count("X") + text.count("x")) * RARE > len(text):
        return list(TOKEN.finditer(text))
    found: list[re.Match[str]] = []
    for letter in "Xx":
        at = text.find(letter, MNEMONIC)
        while at >= 0:
            token = TOKEN.match(text, at - MNEMONIC)
            if token is not None:
                found.append(token)
            at = text.find(letter, at + 1)
    return sorted(found, key=lambda token: token.start())


class Group(StrEnum):
    """What policies speak about when they do not name a type."""

    SECRET = "secret"  # noqa: S105 (a group's name)
    PAYMENT = "payment"
    BANK = "bank"
    NATIONAL_ID = "national_id"
    CONTACT = "contact"
    NETWORK = "network"
    DEVICE = "device"
    PLACEHOLDER = "placeholder"


class Evidence(StrEnum):
    """What confirms a finding of the type."""

    CHECKSUM = "checksum"
    FORMAT = "format"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityType:
    """One type of value.

    ``mnemonic``: the three letters that begin its surrogates, unique in the catalogue.
    ``propagates``: a value found once is replaced wherever it stands in the request;
    only for checksummed types and values of at least 8 characters with a digit.
    ``threshold``: score below which a candidate is no finding, unless a profile says
    otherwise. ``shape``: how a surrogate is written, ``{token}`` standing for the token.
    """

    name: str
    group: Group
    mnemonic: str
    propagates: bool
    evidence: Evidence
    threshold: float = 0.5
    shape: str = "{token}"


def _rows() -> tuple[EntityType, ...]:
    def row(
        name: str,
        group: Group,
        mnemonic: str,
        evidence: Evidence,
        *,
        propagates: bool = True,
        threshold: float = 0.5,
        shape: str = "{token}",
    ) -> EntityType:
        return EntityType(
            name=name,
            group=group,
            mnemonic=mnemonic,
            evidence=evidence,
            propagates=propagates,
            threshold=threshold,
            shape=shape,
        )

    check, form, context = Evidence.CHECKSUM, Evidence.FORMAT, Evidence.CONTEXT
    return (
        row("EMAIL_ADDRESS", Group.CONTACT, "EML", form, shape="{token}@guard.invalid"),
        row("PHONE_NUMBER", Group.CONTACT, "PHN", form),
        row("CREDIT_CARD", Group.PAYMENT, "CRD", check),
        row("IBAN_CODE", Group.BANK, "IBN", check),
        row("US_SSN", Group.NATIONAL_ID, "SSN", form),
        row("CN_RESIDENT_ID", Group.NATIONAL_ID, "CNR", check),
        row("IP_ADDRESS", Group.NETWORK, "IPA", form),
        row("MAC_ADDRESS", Group.DEVICE, "MAC", form),
        row("URL_CREDENTIALS", Group.SECRET, "URL", form),
        row("AWS_ACCESS_KEY", Group.SECRET, "AWS", form),
        row("GITHUB_TOKEN", Group.SECRET, "GHT", form),
        row("OPENAI_API_KEY", Group.SECRET, "OAI", form),
        row("SLACK_TOKEN", Group.SECRET, "SLK", form),
        row("JWT", Group.SECRET, "JWT", form),
        row("PRIVATE_KEY", Group.SECRET, "PEM", form),
        row("SECRET_IN_CONTEXT", Group.SECRET, "SEC", context),
        # Values that look like the above but belong to nobody. They have types of their
        # own, so that a policy keeps them by rule and a record shows that they were seen.
        row("EMAIL_ADDRESS_EXAMPLE", Group.PLACEHOLDER, "EMX", form, propagates=False),
        row("CREDIT_CARD_TEST", Group.PLACEHOLDER, "CRT", check, propagates=False),
        row("IP_ADDRESS_PRIVATE", Group.PLACEHOLDER, "IPP", form, propagates=False),
    )


CATALOGUE: Mapping[str, EntityType] = MappingProxyType({row.name: row for row in _rows()})
"""Every entity type by name."""
