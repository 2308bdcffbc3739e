"""Engines: SQLite embedded by default, PostgreSQL by URL, the same tables and SQL on both."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

__all__ = ["open_database", "sqlite_path", "sqlite_url"]

BUSY_MILLISECONDS = 5000


def sqlite_url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


def sqlite_path(engine: Engine) -> Path | None:
    """Return the file of a SQLite engine, or ``None`` on another database."""
    name = engine.url.database
    return Path(name) if engine.dialect.name == "sqlite" and name else None


def open_database(url: str) -> Engine:
    """Return an engine whose acknowledged commits survive a power cut.

    SQLite: WAL with ``synchronous=FULL`` (NORMAL loses acknowledged commits), freed pages
    zeroed, and ``BEGIN IMMEDIATE`` in place of the driver's own implicit transactions.
    """
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        path = sqlite_path(engine)
        if path is not None:
            present = _Present(path)
            event.listen(engine, "do_connect", present.check)
            event.listen(engine, "connect", present.connected)
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
    return engine


class _Present:
    """Before each connection but the first: the file must still be there.

    Otherwise SQLite would make an empty one, and delete what stands in the write-ahead log
    of the old, which somebody may only have moved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = False

    def check(self, *_: object) -> None:
        if self._known and not (self._path.exists() and self._path.stat().st_size):
            raise FileNotFoundError(errno.ENOENT, "the database is gone", str(self._path))

    def connected(self, *_: object) -> None:
        self._known = True


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    if not isinstance(connection, sqlite3.Connection):
        raise TypeError("the SQLite dialect gave another driver's connection")
    connection.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"busy_timeout={BUSY_MILLISECONDS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get("guard_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if mode else "BEGIN")
