"""The SQL log store beside its contract: broken connections, and what a crash of a batch leaves."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from guard.storage.log import SqlLogStore
from tests.fakes.batches import Batches, receipt
from tests.fakes.records import record


def test_a_connection_that_broke_is_replaced(store: SqlLogStore) -> None:
    batches = Batches(store)
    batches.commit(record("system.stopped"))
    assert store._writer is not None
    broken = store._writer.connection.dbapi_connection
    assert broken is not None
    broken.close()
    with pytest.raises(DBAPIError):
        batches.commit(record("system.stopped"))
    assert receipt(batches.commit(record("system.stopped"))[0]).index == 1


def test_a_store_that_was_closed_gives_its_lock_back(log_engine: Engine, store: SqlLogStore) -> None:
    Batches(store).commit(record("system.stopped"))
    store.close()
    other = SqlLogStore(log_engine)
    try:
        assert receipt(Batches(other).commit(record("system.stopped"))[0]).index == 1
    finally:
        other.close()
