"""Each port's implementations, by name; every contract runs on all of its port's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import Engine

from guard.identity.api_keys import KeyStore
from guard.storage.database import open_database, sqlite_url
from guard.storage.keys import SqlKeyStore
from guard.storage.log import SqlLogStore
from guard.storage.migrate import upgrade
from tests.fakes.key_store import MemoryKeyStore
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.outbox import waiting_events


def migrated(folder: Path, database: str) -> Engine:
    """Return an engine on a new SQLite file with the current schema."""
    engine = open_database(sqlite_url(folder / f"{database}.db"))
    upgrade(engine, database)
    return engine


@pytest.fixture(params=["sql", "memory"])
def log_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SqlLogStore | MemoryLogStore]:
    """Every implementation of the log's ports."""
    if request.param == "memory":
        yield MemoryLogStore()
        return
    engine = migrated(tmp_path, "log")
    store = SqlLogStore(engine)
    yield store
    store.close()
    engine.dispose()


class KeyStoreUnderTest:
    """A key store and what it leaves to be relayed."""

    def __init__(self, store: KeyStore, engine: Engine | None) -> None:
        self.store = store
        self._engine = engine

    def events(self) -> list[str]:
        """Return the types of the waiting events, in order."""
        if self._engine is None:
            return [event.type for event in cast(MemoryKeyStore, self.store).events]
        return [event.type for event in waiting_events(self._engine)]


@pytest.fixture(params=["sql", "memory"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStoreUnderTest]:
    """Every implementation of the key store."""
    if request.param == "memory":
        yield KeyStoreUnderTest(MemoryKeyStore(), None)
        return
    engine = migrated(tmp_path, "guard")
    yield KeyStoreUnderTest(SqlKeyStore(engine), engine)
    engine.dispose()
