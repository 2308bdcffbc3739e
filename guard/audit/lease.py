"""Leases by lock file: the kernel lets go of a lock when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

__all__ = ["Lease", "alive", "sweep"]


class Lease:
    """A lock on ``folder/NAME.lock`` held for this object's life.

    Raises ``FileExistsError`` if the name is taken, by the living or the dead.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{name}.lock"
        # Locked before it has its name: nobody ever sees the file of a living process without its lock.
        beside = folder / f"{name}.new"
        self._file = beside.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            os.link(beside, self._path)
        except FileExistsError:
            self._file.close()
            raise
        finally:
            beside.unlink()

    def release(self) -> None:
        """Let go and remove the file."""
        if not self._file.closed:
            self._path.unlink(missing_ok=True)
            self._file.close()


def alive(folder: Path, name: str) -> bool:
    """Return whether some process holds the lease ``name``."""
    try:
        with (folder / f"{name}.lock").open() as file:
            # Shared: two who ask at once must not take each other for the holder.
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
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
