"""Both ledgers, each with what it leaves for the log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from guard.domain.event import Record
from guard.keys.keyring import Keyring
from guard.ledger.store import LedgerStore
from guard.storage.ledger import SqlLedgerStore
from tests.contract.conftest import migrated
from tests.fakes.ledger import MemoryLedgerStore
from tests.fakes.outbox import waiting_events


class LedgerUnderTest:
    """A ledger and its events."""

    def __init__(self, store: LedgerStore, engine: Engine | None) -> None:
        self.store = store
        self._engine = engine

    def events(self) -> list[Record]:
        """Return the waiting events, in order."""
        if self._engine is not None:
            return waiting_events(self._engine)
        assert isinstance(self.store, MemoryLedgerStore)
        return self.store.events

    def types(self) -> list[str]:
        """Return the types of the waiting events, in order."""
        return [event.type for event in self.events()]


def sql_ledger(folder: Path) -> tuple[SqlLedgerStore, Engine]:
    """Return an empty ledger in a new database, with its engine."""
    engine = migrated(folder, "guard")
    return SqlLedgerStore(engine, Keyring.create(folder / "keyring")), engine


@pytest.fixture(params=["sql", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerUnderTest]:
    """Every implementation of the ledger."""
    if request.param == "memory":
        yield LedgerUnderTest(MemoryLedgerStore(), None)
        return
    store, engine = sql_ledger(tmp_path)
    yield LedgerUnderTest(store, engine)
    engine.dispose()
