"""Application keys: ``gk_live_`` + 30 base 62 characters + a 6-character checksum.

The checksum (CRC-32 of everything before it) refuses garbage and typing errors without a
look-up. Only HMAC-SHA256 under the pepper is stored; 178 bits of randomness need no slow
hash. ``authenticate`` works on the snapshot alone: no I/O.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.domain.event import Record
from guard.domain.principal import Limits, Principal
from guard.errors import AuthenticationError
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose

__all__ = ["RESERVED_TENANTS", "KeyRecord", "KeyStore", "authenticate", "generate", "hash_key", "well_formed"]

PREFIX = "gk_live_"
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BODY = 30
CHECK = 6
SHAPE = re.compile(r"gk_live_[0-9A-Za-z]{36}")
RESERVED_TENANTS = frozenset({"system", "root"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is stored of a key. Times are µs since 1970; ``hash`` is hex.

    ``successor``: id of the key that it was rotated into.
    """

    id: str
    hash: str
    tenant: str
    application: str
    models: tuple[str, ...]
    purposes: tuple[str, ...]
    created: int
    expires: int | None
    revoked: int | None
    limits: Limits
    successor: str | None = None


class KeyStore(Protocol):
    """Keeps key records.

    Every change is one transaction with its events, which wait to be relayed to the log,
    and with a higher ``version``.
    """

    def version(self) -> int:
        """Return a counter that grows with every change."""
        ...

    def list(self) -> Sequence[KeyRecord]:
        """Return all records, oldest first."""
        ...

    def add(self, record: KeyRecord, event: Record) -> None:
        """Store a new key. Raises ``Conflict`` if its id is taken."""
        ...

    def rotate(self, key_id: str, successor: KeyRecord, *, expires: int, events: Sequence[Record]) -> None:
        """Store a key's successor and when the key ends.

        Raises ``NotFound``, and ``Conflict`` for a key that has a successor or was revoked.
        """
        ...

    def revoke(self, key_id: str, *, revoked: int, event: Record) -> None:
        """Set when a key was revoked. Raises ``NotFound``, and ``Conflict`` if it was before."""
        ...


def _checksum(text: str) -> str:
    value = zlib.crc32(text.encode())
    digits = []
    for _ in range(CHECK):
        value, digit = divmod(value, 62)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def generate(entropy: bytes) -> str:
    """Return a new key made of at least 32 random bytes."""
    if len(entropy) < 32:  # noqa: PLR2004 (more than the 178 bits that the key holds)
        raise ValueError("a key needs 32 random bytes")
    value = int.from_bytes(entropy, "big")
    body = ""
    for _ in range(BODY):
        value, digit = divmod(value, 62)
        body += ALPHABET[digit]
    text = PREFIX + body
    return text + _checksum(text)


def well_formed(credential: str) -> bool:
    """Return whether the shape and the checksum are right."""
    return SHAPE.fullmatch(credential) is not None and credential[-CHECK:] == _checksum(credential[:-CHECK])


def hash_key(credential: str, keyring: Keyring) -> str:
    """Return the hex hash under which a key is stored."""
    pepper = keyring.purpose_key(Purpose.PEPPER, tenant="system")
    return hmac.new(pepper, credential.encode(), hashlib.sha256).hexdigest()


def authenticate(
    credential: str | None, keys: Mapping[str, KeyRecord], *, keyring: Keyring, now: int
) -> Principal:
    """Return who holds ``credential`` at ``now`` (µs). Raises ``AuthenticationError``.

    An unknown, a revoked and an expired key get the same words, so that a stolen list of
    keys cannot be sorted by asking.
    """
    if not credential:
        raise AuthenticationError(
            "no key; send 'Authorization: Bearer gk_live_…' (make one: guard keys issue)",
            code="missing_api_key",
        )
    if not well_formed(credential):
        raise AuthenticationError("this is not a Guard key, or it was mistyped")
    record = keys.get(hash_key(credential, keyring))
    ended = record is None or any(
        moment is not None and moment <= now for moment in (record.expires, record.revoked)
    )
    if record is None or ended:
        raise AuthenticationError("this key is not known or no longer valid")
    return Principal(
        key_id=record.id,
        tenant=record.tenant,
        application=record.application,
        models=record.models,
        purposes=record.purposes,
        limits=record.limits,
    )
