"""What many commands share: their options, their output, and the installation they work on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.errors import ConfigurationError
from guard.settings import Settings, read_settings

if TYPE_CHECKING:
    from guard.storage.installation import Installation

__all__ = [
    "AsJson",
    "DataDir",
    "choose",
    "deliver",
    "facts",
    "microseconds_now",
    "opened",
    "operator",
    "replace_file",
    "standard_input",
    "table",
    "when",
    "write_json",
    "write_line",
]

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where everything is kept [$GUARD_DATA_DIR, ./guard-data]")
]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output")]


def choose(**options: object) -> Settings:
    """Return the settings; options that were given win over the environment, for children too."""
    for name, value in options.items():
        if value is not None:
            os.environ[f"GUARD_{name.upper()}"] = str(value)
    return read_settings()


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Installation]:
    """Open the installation for one command.

    Raises ``ConfigurationError`` with what to do, also for a database that cannot be read.
    """
    from guard.storage.installation import open_installation, readable_database

    settings = choose(data_dir=data_dir)
    installation = open_installation(settings.data_dir, settings.config_path)
    try:
        with readable_database(_unreadable):
            yield installation
    finally:
        installation.close()


def _unreadable(kind: str) -> ConfigurationError:
    return ConfigurationError(f"a database cannot be read or written ({kind}); run: guard doctor")


def deliver(installation: Installation) -> None:
    """Bring the change's event into the log now, not only when a server runs.

    If the log is away the event waits in the outbox; the change stands either way.
    """
    from guard.errors import AuditUnavailable

    with installation.recording(lambda _: None) as log:
        try:
            asyncio.run(installation.deliver(log))
        except AuditUnavailable:
            typer.echo("guard: the log cannot be written; the record follows when it can", err=True)


def operator() -> str:
    """Return who runs this command, for the sealed part of records."""
    return f"local:{os.getuid()}"


def microseconds_now() -> int:
    """Return now in µs since 1970."""
    return time.time_ns() // 1000


def standard_input() -> str:
    """Read all of standard input. Raises ``ConfigurationError`` if it is not UTF-8."""
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise ConfigurationError("standard input is not UTF-8") from None


def replace_file(path: Path, data: bytes) -> None:
    """Write durably beside ``path``, then rename: a crash leaves the old or the new file.

    A link stays one; a file keeps its mode, and a new one is for its owner alone. Raises
    ``ConfigurationError`` where that cannot be, and where a device or a pipe stands: root
    would put a file in the place of ``/dev/null``.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        raise ConfigurationError(f"cannot write {path} (it is there and no plain file)")
    beside = place.with_name(f".{place.name}.new")
    try:
        mode = place.stat().st_mode & 0o777 if place.exists() else 0o600
        with open(
            os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb"
        ) as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigurationError(f"cannot write {path} ({error.strerror})") from None


def when(microseconds: int | None) -> str:
    """Return a moment as people read it, in UTC."""
    if microseconds is None:
        return "never"
    moment = datetime.fromtimestamp(microseconds / 1_000_000, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "Z"


def write_line(text: str = "") -> None:
    """Write one line to standard output."""
    sys.stdout.write(text + "\n")


def write_json(value: object) -> None:
    """Write a value as one line of JSON."""
    write_line(json.dumps(value, ensure_ascii=False))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write rows in columns, for people; nothing is cut where the output is no terminal."""
    lines = (columns, *rows)
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    for row in lines:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        write_line("  ".join(cells).rstrip())


def facts(members: Mapping[str, str]) -> None:
    """Write names and values one below the other."""
    width = max((len(name) for name in members), default=0)
    for name, value in members.items():
        write_line(f"  {name.ljust(width)}  {value}")
