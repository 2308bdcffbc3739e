"""Engines: acknowledged commits survive, writers queue, freed pages are wiped."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from guard.storage.database import open_database, sqlite_path, sqlite_url

FULL = 2


def test_sqlite_is_set_up_so_that_an_acknowledged_commit_survives(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "some.db"))
    with engine.connect() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": FULL, "foreign_keys": 1, "secure_delete": 1}


def test_the_file_of_an_engine(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    assert sqlite_path(open_database(sqlite_url(path))) == path
    assert sqlite_path(create_engine("sqlite://")) is None


def test_writers_wait_for_one_another_and_readers_do_not(tmp_path: Path) -> None:
    """A deferred BEGIN would let both read first and then fail one of them."""
    engine = open_database(sqlite_url(tmp_path / "some.db"))
    with engine.connect() as connection, connection.begin():
        connection.execute(text("CREATE TABLE counted (n INTEGER)"))
        connection.execute(text("INSERT INTO counted VALUES (0)"))

    def add(times: int) -> None:
        for _ in range(times):
            with engine.connect().execution_options(guard_write=True) as connection, connection.begin():
                before = connection.execute(text("SELECT n FROM counted")).scalar_one()
                connection.execute(text("UPDATE counted SET n = :n"), {"n": before + 1})

    threads = [threading.Thread(target=add, args=(20,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with engine.connect().execution_options(guard_write=True) as writing, writing.begin():
        writing.execute(text("UPDATE counted SET n = -1"))
        with engine.connect() as reading:
            assert reading.execute(text("SELECT n FROM counted")).scalar_one() == 80
    engine.dispose()


def make_and_fail(engine: Engine, write: bool) -> None:
    with engine.connect().execution_options(guard_write=write) as connection, connection.begin():
        connection.execute(text("CREATE TABLE left_behind (n INTEGER)"))
        raise ZeroDivisionError


@pytest.mark.parametrize("write", [True, False])
def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path, write: bool) -> None:
    engine = open_database(sqlite_url(tmp_path / "some.db"))
    with pytest.raises(ZeroDivisionError):
        make_and_fail(engine, write)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one() == 0
    engine.dispose()
