"""Surrogates: keyed, fixed-length tokens in place of values (DESIGN §5, Protection).

A token is a function of (tenant, application, scope, entity type, value) under a key,
never of order: a client that resends its history gets identical bytes without any state.
``MMM`` (the type's mnemonic) + ``X`` + 60 bits of HMAC-SHA256 in Crockford's base 32.
"""

from __future__ import annotations

import hashlib
import hmac

from guard.domain.entities import CATALOGUE

__all__ = ["CROCKFORD", "Surrogates"]

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DIGITS = 12
BITS = 60


class Surrogates:
    """Writes the surrogates of one scope. ``key``: 32 bytes of the purpose ``surrogate``."""

    __slots__ = ("_base",)

    def __init__(self, *, key: bytes, tenant: str, application: str, scope: str) -> None:
        parts = (tenant.encode(), application.encode(), scope.encode())
        prefix = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        self._base = hmac.new(key, prefix, hashlib.sha256)

    def token(self, entity_type: str, value: str) -> str:
        """Return the bare token of a value."""
        return self.named(CATALOGUE[entity_type].mnemonic, entity_type, value)

    def named(self, mnemonic: str, kind: str, value: str) -> str:
        """Return a token that begins with ``mnemonic``, of a value of any ``kind``."""
        mac = self._base.copy()
        name = kind.encode()
        mac.update(len(name).to_bytes(4, "big") + name + value.encode())
        number = int.from_bytes(mac.digest()[:8], "big") >> (64 - BITS)
        digits = "".join(CROCKFORD[(number >> shift) & 31] for shift in range(BITS - 5, -1, -5))
        return f"{mnemonic}X{digits}"

    def write(self, entity_type: str, token: str) -> str:
        """Return the token in the shape of its type (``TOKEN@guard.invalid``)."""
        return CATALOGUE[entity_type].shape.replace("{token}", token)
