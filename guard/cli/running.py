"""What serves a data directory now: claimed by ``guard serve``, read by other commands.

``DATA_DIR/serving.json`` says where; it counts only while its writer holds a lock on it,
which the kernel takes from a dead process, however it died.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from guard.errors import ConfigurationError

__all__ = ["Running", "announce", "claim", "running"]

FILE = "serving.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service that runs: its address, the demo model's if it has one, its process id."""

    address: str
    demo: str | None
    pid: int


@contextmanager
def claim(data_dir: Path) -> Iterator[IO[str]]:
    """Hold the data directory for one service. Raises ``ConfigurationError`` if another has it."""
    with (data_dir / FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(taken(data_dir, running(data_dir))) from None
        yield file


def announce(file: IO[str], service: Running) -> None:
    """Say where the service is, in the file that ``claim`` gave."""
    file.truncate(0)
    json.dump(asdict(service), file)
    file.flush()


def running(data_dir: Path) -> Running | None:
    """Return the service that runs on ``data_dir`` and has said where it is."""
    try:
        with (data_dir / FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return _read(data_dir / FILE)
    return None


def _read(path: Path) -> Running | None:
    try:
        return Running(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        return None  # it is just starting


def taken(data_dir: Path, service: Running | None) -> str:
    """Return what to say where a second service would start on ``data_dir``."""
    where = f" at {service.address} (process {service.pid})" if service else ""
    return f"guard serve runs on {data_dir} already{where}; stop it first, or set another GUARD_DATA_DIR"
