"""Leases by lock file: the kernel lets go of a lock when its process dies, however it dies."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

__all__ = ["Lease", "alive", "sweep"]


class Lease:
    """A lock on ``folder/NAME.lock`` held for this object's life."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{name}.lock"
        self._file: IO[str] | None = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let go and remove the file."""
        if self._file is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def alive(folder: Path, name: str) -> bool:
    """Return whether some process holds the lease ``name``."""
    try:
        with (folder / f"{name}.lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def sweep(folder: Path, needed: set[str]) -> None:
    """Remove the files of dead leases that nobody asks about any more."""
    for path in folder.glob("*.lock"):
        if path.stem not in needed and not alive(folder, path.stem):
            path.unlink(missing_ok=True)
