"""Seals without secrecy: what the keyring does for side rows, with keys that can be destroyed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from guard.errors import DecryptionFailed, KeyUnavailable

__all__ = ["ClearSealer"]


class ClearSealer:
    """Implements ``audit.leaf.Sealer`` and ``audit.export.Opener``: a digest stands for the tag."""

    def __init__(self) -> None:
        self.destroyed: set[str] = set()
        self.key_id = "clear:1"

    def sealing(self, *, tenant: str) -> Callable[[bytes, bytes], tuple[str, bytes]]:
        """Return what gives the key's id and the text with its tag."""
        return lambda plaintext, associated: (self.key_id, _tag(plaintext, tenant, associated) + plaintext)

    def open(self, key_id: str, sealed: bytes, *, tenant: str, associated: bytes) -> bytes:
        """Return the text. Raises ``DecryptionFailed`` and ``KeyUnavailable``."""
        if key_id in self.destroyed:
            raise KeyUnavailable("destroyed")
        if sealed[:32] != _tag(sealed[32:], tenant, associated):
            raise DecryptionFailed
        return sealed[32:]


def _tag(plaintext: bytes, tenant: str, associated: bytes) -> bytes:
    return hashlib.sha256(b"|".join((tenant.encode(), associated, plaintext))).digest()
