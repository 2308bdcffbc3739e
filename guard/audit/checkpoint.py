"""Sign checkpoints (C2SP tlog-checkpoint, Ed25519); reading them stands in ``verify.py``.

A log has a checkpoint for each second in which it grew, so whoever checks them all uses
the compiled Ed25519 here: 50 times as fast as the one that ships, and a test holds them equal.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guard.audit.verify import Checkpoint, open_checkpoint

__all__ = ["KEY_NAME", "CheckpointSigner", "opened", "origin", "sign"]

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


def opened(text: str, public: bytes) -> Checkpoint:
    """Read a checkpoint of this installation's key. Raises ``VerificationFailed``."""
    return open_checkpoint(text, KEY_NAME, public, _signed)


def _signed(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
