"""Made-up values that a recognizer must find, whole: right check digits, real number plans.

Nothing here belongs to anybody: every value is drawn from a seeded generator.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

__all__ = ["KINDS", "SECRETS", "make"]

WORDS = (
    "amber basil cedar delta ember fjord grove heron inlet jetty kayak lotus maple north ocean pearl".split()
)
ENDINGS = ("com", "net", "org", "de", "fr", "co.uk", "io", "cn")


def _pick(source: random.Random, alphabet: str, count: int) -> str:
    return "".join(source.choices(alphabet, k=count))


def email(source: random.Random) -> str:
    """Return an address at a domain that nobody has."""
    local = f"{source.choice(WORDS)}.{source.choice(WORDS)}{source.randrange(100)}"
    return f"{local}@{_pick(source, ascii_lowercase, 9)}-{source.choice(WORDS)}.{source.choice(ENDINGS)}"


def _luhn(body: str) -> str:
    total = 0
    for index, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if index % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def card(source: random.Random) -> str:
    """Return a card number with its check digit, in one of its written forms."""
    body = source.choice(("4", "51", "53")) + _pick(source, digits, 20)
    whole = body[:15] + _luhn(body[:15])
    separator = source.choice(("", " ", "-"))
    return separator.join(whole[at : at + 4] for at in range(0, 16, 4))


def iban(source: random.Random) -> str:
    """Return a German account number with its check digits."""
    body = _pick(source, digits, 18)
    check = 98 - int(body + "131400") % 97
    whole = f"DE{check:02d}{body}"
    if source.random() < 0.5:
        return whole
    return " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))


def phone(source: random.Random) -> str:
    """Return a number with its country code."""
    forms = (
        lambda: f"+49 30 {source.randrange(200000, 999999)}",
        lambda: f"+44 20 7{source.randrange(100, 999)} {source.randrange(1000, 9999)}",
        lambda: f"+86 138{source.randrange(10000000, 99999999)}",
        lambda: f"+1 212-{source.randrange(200, 999)}-{source.randrange(1000, 9999)}",
    )
    return source.choice(forms)()


def ssn(source: random.Random) -> str:
    """Return a United States social security number in an issued area."""
    return f"{source.randrange(100, 660)}-{source.randrange(10, 99)}-{source.randrange(1000, 9999)}"


def resident(source: random.Random) -> str:
    """Return a Chinese resident number with its check character."""
    born = f"{source.randrange(1950, 2005)}{source.randrange(1, 13):02d}{source.randrange(1, 29):02d}"
    body = f"{source.choice(('110101', '310104', '440305'))}{born}{source.randrange(100, 999)}"
    weights = [2 ** (17 - index) % 11 for index in range(17)]
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]


def aws(source: random.Random) -> str:
    """Return an access key's id."""
    return "AKIA" + _pick(source, ascii_uppercase + "234567", 15) + source.choice("234567")


def github(source: random.Random) -> str:
    """Return a personal access token."""
    return "ghp_" + _pick(source, ascii_letters + digits, 34) + source.choice(digits) + "q"


def openai(source: random.Random) -> str:
    """Return a model provider's key."""
    return "sk-" + _pick(source, ascii_letters + digits, 44) + source.choice(digits) + "k"


def slack(source: random.Random) -> str:
    """Return a bot token."""
    return f"xoxb-{_pick(source, digits, 11)}-{_pick(source, ascii_letters + digits, 22)}z7"


def jwt(source: random.Random) -> str:
    """Return a signed token."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": _pick(source, digits, 10), "iat": 1_700_000_000})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, _pick(source, ascii_letters + digits + "-_", 42) + "a"])


def private_key(source: random.Random) -> str:
    """Return a PEM block."""
    body = "\n".join(_pick(source, ascii_letters + digits + "+/", 64) for _ in range(4))
    return f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----"


KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "EMAIL_ADDRESS": email,
    "CREDIT_CARD": card,
    "IBAN_CODE": iban,
    "PHONE_NUMBER": phone,
    "US_SSN": ssn,
    "CN_RESIDENT_ID": resident,
    "AWS_ACCESS_KEY": aws,
    "GITHUB_TOKEN": github,
    "OPENAI_API_KEY": openai,
    "SLACK_TOKEN": slack,
    "JWT": jwt,
    "PRIVATE_KEY": private_key,
}
"""A maker for each entity type that the default pack replaces in requests."""

SECRETS = frozenset({"AWS_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "SLACK_TOKEN", "JWT", "PRIVATE_KEY"})


def make(source: random.Random, kind: str | None = None) -> tuple[str, str]:
    """Return an entity type, drawn if not given, and a value of it."""
    chosen = kind or source.choice(list(KINDS))
    return chosen, KINDS[chosen](source)
