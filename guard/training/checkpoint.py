"""Checkpoints: safetensors with a JSON header, sealed, written whole or not at all.

Bound to the plan and the job: another plan's checkpoint, another job's and a changed byte
are refused alike. No row, no batch and no key of the noise is in it. A pickle is never
loaded, because loading one runs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from guard.datasets.shards import write_durably
from guard.domain.canonical import canonical
from guard.errors import DecryptionFailed, TrainingError
from guard.training.state import TrainerState

__all__ = ["Sealer", "pack", "read_checkpoint", "unpack", "write_checkpoint"]

FORMAT = "guard-checkpoint/1"
VECTORS = ("average", "velocity", "weights")
HEADER_LENGTH = 8


class Sealer(Protocol):
    """Encrypts under a key that the caller holds; ``Envelope`` is one."""

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        """Return the ciphertext, bound to ``associated``."""
        ...

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Return the plaintext. Raises ``DecryptionFailed``."""
        ...


def pack(state: TrainerState, *, plan: str) -> bytes:
    """Return a state as safetensors; ``plan`` is the plan's digest."""
    header = {
        "format": FORMAT,
        "state": canonical({"done": state.done, "executed": state.executed, "plan": plan}).decode(),
    }
    vectors = {name: np.ascontiguousarray(getattr(state, name)) for name in VECTORS}
    return save(vectors, metadata=header)


def unpack(data: bytes, *, plan: str) -> TrainerState:
    """Read what ``pack`` wrote. Raises ``TrainingError`` for anything else, and for another plan's."""
    header = _header(data)
    try:
        vectors = load(data)
        counts = json.loads(header["state"])
        if counts.pop("plan") != plan or sorted(vectors) != list(VECTORS):
            raise TrainingError("the checkpoint is of another plan")
        if any(vector.dtype != np.float64 or vector.ndim != 1 for vector in vectors.values()):
            raise TrainingError("the checkpoint's vectors are not those of a trainer")
        return TrainerState(done=int(counts["done"]), executed=int(counts["executed"]), **vectors)
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError):
        raise TrainingError("the checkpoint cannot be read") from None


def _header(data: bytes) -> dict[str, str]:
    if data[:1] == b"\x80" or data[:2] == b"PK":
        raise TrainingError("a pickle is never loaded; checkpoints are safetensors")
    length = int.from_bytes(data[:HEADER_LENGTH], "little")
    try:
        header = json.loads(data[HEADER_LENGTH : HEADER_LENGTH + length])["__metadata__"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise TrainingError("the checkpoint is not safetensors of ours") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise TrainingError(f"the checkpoint is not of the format {FORMAT}")
    return header


def write_checkpoint(path: Path, state: TrainerState, *, plan: str, job: str, sealer: Sealer) -> None:
    """Replace the checkpoint at ``path`` durably: a crash leaves the old one or the new one."""
    sealed = sealer.seal(pack(state, plan=plan), _associated(plan, job))
    write_durably(path, sealed)


def read_checkpoint(path: Path, *, plan: str, job: str, sealer: Sealer) -> TrainerState | None:
    """Return the checkpoint at ``path``, or nothing if there is none.

    Raises ``TrainingError`` if it was changed, is of another plan or job, or is no checkpoint.
    """
    try:
        sealed = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        opened = sealer.open(sealed, _associated(plan, job))
    except DecryptionFailed:
        raise TrainingError(
            "the checkpoint was changed, or is not of this plan and job; nothing is loaded from it"
        ) from None
    return unpack(opened, plan=plan)


def _associated(plan: str, job: str) -> bytes:
    return canonical({"format": FORMAT, "job": job, "plan": plan})
