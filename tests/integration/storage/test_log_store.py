"""The SQL log store beside its contract: broken connections, and what a crash of a batch leaves."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from guard.storage.database import sqlite_path
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


def test_a_log_that_was_moved_away_takes_nothing_until_it_is_back(
    log_engine: Engine, store: SqlLogStore
) -> None:
    batches, path = Batches(store), sqlite_path(log_engine)
    assert path is not None
    batches.commit(record("system.stopped"))
    away = path.rename(path.with_name("away"))
    for _ in range(2):
        with pytest.raises(OSError, match="No such file"):
            batches.commit(record("system.stopped"))
    assert not path.exists(), "nobody makes an empty log in its place"
    path.write_bytes(b"")
    with pytest.raises(OSError, match="removed or replaced"):
        batches.commit(record("system.stopped"))
    away.replace(path)
    assert receipt(batches.commit(record("system.stopped"))[0]).index == 1


def test_a_reader_does_not_destroy_what_was_only_moved(log_engine: Engine, store: SqlLogStore) -> None:
    batches, path = Batches(store), sqlite_path(log_engine)
    assert path is not None
    batches.commit(record("system.stopped"))
    ahead = path.with_name(f"{path.name}-wal").stat()
    away = path.rename(path.with_name("away"))
    log_engine.dispose()
    with pytest.raises(FileNotFoundError, match="the database is gone"):
        store.logs()
    away.replace(path)
    assert path.with_name(f"{path.name}-wal").stat().st_ino == ahead.st_ino
    assert [store.head(log).size for log in store.logs()] == [1]


def test_a_write_ahead_log_that_was_deleted_is_not_written_on(log_engine: Engine, store: SqlLogStore) -> None:
    batches, path = Batches(store), sqlite_path(log_engine)
    assert path is not None
    batches.commit(record("system.stopped"))
    path.with_name(f"{path.name}-wal").unlink()
    with pytest.raises(OSError, match="No such file"):
        batches.commit(record("system.stopped"))


def test_a_log_that_somebody_locks_fails_and_is_written_again_after(log_engine: Engine) -> None:
    def impatient(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        connection.cursor().execute("PRAGMA busy_timeout=1")

    path = sqlite_path(log_engine)
    assert path is not None
    log_engine.dispose()
    event.listen(log_engine, "connect", impatient)
    store = SqlLogStore(log_engine)
    batches = Batches(store)
    batches.commit(record("system.stopped"))
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DBAPIError, match="locked"):
            batches.commit(record("system.stopped"))
        holder.execute("ROLLBACK")
        assert receipt(batches.commit(record("system.stopped"))[0]).index == 1
    store.close()
