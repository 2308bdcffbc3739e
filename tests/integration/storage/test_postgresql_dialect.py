"""Nothing in schema or SQL that PostgreSQL would not take, as far as its dialect can tell.

The contract suites pass on a real PostgreSQL too (run by hand, it needs a driver that the
base has not); here every table and statement is compiled, so that what only SQLite
understands is noticed with the change that brings it.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import Engine, Table, event, make_url
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlalchemy.sql.elements import ClauseElement

import guard.storage
from guard.domain.event import HoldUnit
from guard.keys.keyring import Keyring
from guard.storage import log_tables, tables
from guard.storage.keys import SqlKeyStore
from guard.storage.log import SqlLogStore
from guard.storage.outbox import relay
from guard.storage.secrets import SqlSecretStore
from tests.contract.test_key_store import ISSUED, REVOKED, ROTATED, key
from tests.fakes.batches import Batches
from tests.fakes.recorder import KeptRecords
from tests.fakes.records import hold, intent, outcome

DIALECT = make_url("postgresql+psycopg://host/name").get_dialect()()
IDENTIFIER = 63

for module in pkgutil.iter_modules(guard.storage.__path__):
    importlib.import_module(f"guard.storage.{module.name}")
TABLES = [*tables.metadata.sorted_tables, *log_tables.metadata.sorted_tables]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_and_index_compiles(table: Table) -> None:
    made = str(CreateTable(table).compile(dialect=DIALECT))
    assert "WITHOUT ROWID" not in made
    for index in table.indexes:
        assert "CREATE" in str(CreateIndex(index).compile(dialect=DIALECT))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_name_is_reserved_or_too_long(table: Table) -> None:
    """Statements that are written as text quote nothing."""
    names = [table.name, *[column.name for column in table.columns]]
    names += [str(index.name) for index in table.indexes]
    assert not set(names) & DIALECT.identifier_preparer.reserved_words
    assert all(re.fullmatch(r"[a-z][a-z_]*", name) and len(name) <= IDENTIFIER for name in names)


def statements_of(dialect: object) -> dict[str, str]:
    """Return the texts of the log's prepared statements in a dialect."""
    engine = SimpleNamespace(dialect=dialect, url=make_url("postgresql+psycopg://host/name"))
    store = SqlLogStore(cast(Engine, engine))
    return {name: prepared._text for name, prepared in vars(store._statements).items()}


@pytest.mark.parametrize(("name", "text"), statements_of(DIALECT).items(), ids=statements_of(DIALECT))
def test_every_prepared_statement_has_the_parameters_of_the_driver(name: str, text: str) -> None:
    assert "%(" in text
    assert not re.search(r"(?<!:):[a-z_]+|\?", text), text


def test_the_head_is_locked_on_postgresql_and_not_on_sqlite(store: SqlLogStore) -> None:
    assert "FOR UPDATE" in statements_of(DIALECT)["head"]
    assert "FOR UPDATE" not in store._statements.head._text


class Heard:
    """Collects what an engine is asked to run."""

    def __init__(self, engine: Engine) -> None:
        self.elements: list[ClauseElement] = []
        event.listen(engine, "before_execute", self._hear)

    def _hear(self, connection: object, element: object, *rest: object) -> None:
        if isinstance(element, ClauseElement):
            self.elements.append(element)

    def compiled(self) -> list[str]:
        return [str(element.compile(dialect=DIALECT)) for element in self.elements]


def test_what_readers_and_housekeeping_of_the_log_run_compiles(
    log_engine: Engine, store: SqlLogStore
) -> None:
    Batches(store).commit(intent("e1", holds=[hold(HoldUnit.CONCURRENT, cap=3)]), outcome("e1"))
    heard = Heard(log_engine)
    store.add_checkpoint("default", 1, "text")
    store.forget_usage(0)
    assert store.orphans() and store.logs() and store.head("default").size == 2
    assert list(store.leaves("default", stop=1)) and list(store.side_rows("default", ["a"])) == []
    assert store.exchange("e1") and store.checkpoints("default") and store.newest_checkpoint("default")
    assert store.open_exchanges() == []
    assert len(heard.compiled()) >= 12, "one for each of the above"


def test_what_administration_runs_compiles(guard_engine: Engine, tmp_path: Path) -> None:
    heard = Heard(guard_engine)
    keys = SqlKeyStore(guard_engine)
    keys.add(key("a"), ISSUED)
    keys.rotate("a", key("b"), expires=5, events=(ISSUED, ROTATED))
    keys.revoke("a", revoked=6, event=REVOKED)
    assert len(keys.list()) == 2 and keys.version()
    secrets = SqlSecretStore(guard_engine, Keyring.create(tmp_path / "keyring"))
    secrets.put("name", "value")
    assert secrets.get("name") == "value"
    assert asyncio.run(relay(guard_engine, KeptRecords())) == 4
    compiled = heard.compiled()
    assert any("ON CONFLICT" in text and "RETURNING" in text for text in compiled)
    assert any("FOR UPDATE" in text for text in compiled)


def test_no_statement_is_of_sqlite_alone() -> None:
    every = " ".join(statements_of(DIALECT).values())
    assert not re.search(r"INSERT OR|REPLACE INTO|rowid|PRAGMA|AUTOINCREMENT", every)
