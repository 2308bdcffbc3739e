"""A migrated log database on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from guard.storage.database import open_database, sqlite_url
from guard.storage.log import SqlLogStore
from guard.storage.migrate import upgrade


@pytest.fixture
def log_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a new log database."""
    engine = open_database(sqlite_url(tmp_path / "log.db"))
    upgrade(engine, "log")
    yield engine
    engine.dispose()


@pytest.fixture
def store(log_engine: Engine) -> Iterator[SqlLogStore]:
    """A store on a new log database."""
    opened = SqlLogStore(log_engine)
    yield opened
    opened.close()


@pytest.fixture
def guard_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine on a new administration database."""
    engine = open_database(sqlite_url(tmp_path / "guard.db"))
    upgrade(engine, "guard")
    yield engine
    engine.dispose()
