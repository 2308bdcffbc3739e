"""Sign checkpoints (C2SP tlog-checkpoint, Ed25519); reading them stands in ``verify.py``."""

from __future__ import annotations

from typing import Protocol

from guard.audit.verify import Checkpoint

__all__ = ["KEY_NAME", "CheckpointSigner", "origin", "sign"]

KEY_NAME = "guard"


class CheckpointSigner(Protocol):
    """An Ed25519 key; the keyring implements it."""

    public: bytes

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature."""
        ...


def origin(tenant: str) -> str:
    """Return the origin line of a tenant's log."""
    return f"guard/{tenant}"


def sign(tenant: str, size: int, root: bytes, signer: CheckpointSigner) -> str:
    """Return the signed note over a log's state."""
    unsigned = Checkpoint(origin(tenant), size, root)
    signed = Checkpoint(unsigned.origin, size, root, signer.sign(unsigned.body.encode()))
    return signed.text(KEY_NAME, signer.public)
