"""The port to whatever holds the root key, and the local one (a key in a file or variable).

Vault, OpenBao and AWS KMS implement the same port later; one contract suite tests all.
"""

from __future__ import annotations

from typing import Protocol

from guard.keys.envelope import Envelope
from guard.keys.purposes import derive

__all__ = ["KeyProvider", "LocalProvider"]


class KeyProvider(Protocol):
    """Wraps and unwraps data keys under a tenant's key, which never leaves it."""

    def wrap(self, key: bytes, *, tenant: str, name: str) -> bytes:
        """Return ``key`` wrapped for a tenant, bound to ``name``."""
        ...

    def unwrap(self, wrapped: bytes, *, tenant: str, name: str) -> bytes:
        """Return the key. Raises ``DecryptionFailed``."""
        ...


class LocalProvider:
    """The root key in this process's memory; tenant keys are derived from it."""

    def __init__(self, root: bytes) -> None:
        if len(root) != 32:  # noqa: PLR2004 (a 256-bit key)
            raise ValueError("the root key has 32 bytes")
        self._root = root

    def _tenant(self, tenant: str) -> Envelope:
        return Envelope(derive(self._root, purpose="tenant-kek", tenant=tenant))

    def wrap(self, key: bytes, *, tenant: str, name: str) -> bytes:
        """Return ``key`` wrapped for a tenant, bound to ``name``."""
        return self._tenant(tenant).seal(key, name.encode())

    def unwrap(self, wrapped: bytes, *, tenant: str, name: str) -> bytes:
        """Return the key. Raises ``DecryptionFailed``."""
        return self._tenant(tenant).open(wrapped, name.encode())
