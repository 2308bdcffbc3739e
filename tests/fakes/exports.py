"""Small logs and their exports, and an attacker who can pack and sign what he likes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from guard.audit import verify
from guard.audit.checkpoint import KEY_NAME, sign
from guard.audit.export import export
from guard.keys.keyring import Signer
from tests.fakes.batches import Batches
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.records import intent, outcome, record

__all__ = [
    "KEY",
    "SIGNER",
    "STRANGER",
    "compiled_ed25519",
    "filled",
    "forged",
    "packed_with",
    "refusal_of",
    "revealed_export",
    "small_log",
]

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x01"))
STRANGER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x02"))
KEY = verify.key_line(KEY_NAME, SIGNER.public)


def small_log() -> tuple[MemoryLogStore, Batches]:
    """Return one short log with sealed values."""
    store = MemoryLogStore()
    batches = Batches(store)
    batches.commit(record("auth.failed", address="192.0.2.1", count=2))
    batches.commit(record("auth.failed", address={"b": "\u20ac", "a": [None, True]}, count=3))
    return store, batches


def filled(exchanges: int) -> tuple[MemoryLogStore, Batches]:
    """Return two logs with this many ended exchanges in the first, and one that is open."""
    store = MemoryLogStore()
    batches = Batches(store)
    names = [f"e{number}" for number in range(exchanges)]
    batches.commit(*[intent(name, sealed={"subject": f"subject of {name}"}) for name in names])
    batches.commit(*[outcome(name) for name in names], intent("open"))
    batches.commit(record("system.started", tenant="system", version="0"), second=2000)
    return store, batches


def revealed_export(store: MemoryLogStore, batches: Batches) -> bytes:
    """Return the export of every log with all its values."""
    return export(store, store.logs(), SIGNER, batches.sealer)


def packed_with(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """Return an export with members changed by somebody who knows how to pack."""
    members = verify.unpack(data)
    change(members)
    return verify.pack(members)


def forged(
    data: bytes, log: str, lines: Sequence[bytes], *, revealed: Sequence[bytes] | None = None
) -> bytes:
    """Return an export in which a stranger has replaced a log's entries and signed all of it himself."""
    members = verify.unpack(data)
    frontier: list[bytes] = []
    for index, line in enumerate(lines):
        verify.grow(frontier, index, verify.leaf_hash(line))
    folder = f"logs/{log}/"
    members[folder + "entries.jsonl"] = b"".join(line + b"\n" for line in lines)
    members[folder + "checkpoint"] = sign(log, len(lines), verify.root_of(frontier), STRANGER).encode()
    if revealed is not None:
        members[folder + "revealed.jsonl"] = b"".join(line + b"\n" for line in revealed)
    return verify.pack(signed_by_stranger(members))


def signed_by_stranger(
    members: dict[str, bytes], manifest: dict[str, object] | None = None
) -> dict[str, bytes]:
    """Name the stranger's key and sign the manifest with it."""
    members["keys.txt"] = verify.key_line(KEY_NAME, STRANGER.public).encode() + b"\n"
    if manifest is None:
        manifest = json.loads(members["manifest.json"])
        digests = manifest["digests"]
        assert isinstance(digests, dict)
        digests["keys.txt"] = hashlib.sha256(members["keys.txt"]).hexdigest()
    manifest["signature"] = STRANGER.sign(verify.manifest_body(manifest)).hex()
    members["manifest.json"] = verify.encode(manifest)
    return members


def refusal_of(data: bytes, key: str | None = KEY) -> str | None:
    """Return why an export is refused, or ``None`` if it is valid. Other errors escape."""
    try:
        verify.verify_export(data, key)
    except verify.VerificationFailed as failure:
        return str(failure)
    return None


def compiled_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Do what ``verify.ed25519_verify`` does, 50 times as fast; a test holds the two equal."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
