"""Purpose keys: one secret, many independent keys (HKDF-SHA256, RFC 5869)."""

from __future__ import annotations

from enum import StrEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["Purpose", "derive"]

VERSION = b"guard/v1"


class Purpose(StrEnum):
    """What a derived key may be used for, and only for."""

    PEPPER = "pepper"
    """Hashing application keys."""
    SURROGATE = "surrogate"
    SIDE_ROW = "side-row"
    SECRET = "secret"  # noqa: S105 (a purpose's name)
    """Sealing stored provider credentials."""
    DATASET = "dataset"
    """Wrapping the keys of dataset shards, checkpoints and models."""
    PSEUDONYM = "pseudonym"
    """Pseudonyms that stay the same over datasets of a tenant."""
    LEDGER = "ledger"
    """Sealing the rows of the privacy ledger."""

    @property
    def lasting(self) -> bool:
        """Whether the key outlives the monthly shred epoch."""
        return self in (Purpose.PEPPER, Purpose.SECRET, Purpose.DATASET, Purpose.PSEUDONYM, Purpose.LEDGER)


def derive(secret: bytes, *, purpose: str, tenant: str, context: str = "") -> bytes:
    """Return 32 bytes for one purpose, tenant and context.

    The parts are length-prefixed, so that no two different triples meet.
    """
    parts = (purpose.encode(), tenant.encode(), context.encode())
    info = VERSION + b"".join(len(part).to_bytes(2, "big") + part for part in parts)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)
