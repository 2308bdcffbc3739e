"""The ledger's SQL: the schema that migrations make, and statements that both databases take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, inspect, make_url
from sqlalchemy.sql.elements import ClauseElement

from guard.errors import BudgetExhausted
from guard.storage.ledger import SqlLedgerStore
from guard.storage.ledger_tables import books, budgets, reservations
from guard.storage.migrate import downgrade, upgrade
from tests.contract.ledger.conftest import sql_ledger
from tests.unit.ledger.values import EXAMPLE, ROOT, budget, mechanism


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[tuple[SqlLedgerStore, Engine]]:
    store, engine = sql_ledger(tmp_path)
    yield store, engine
    engine.dispose()


def story(store: SqlLedgerStore) -> None:
    """Do everything that the ledger can do."""
    store.set_budget(budget(), principal="local:7")
    store.set_budget(budget(epsilon=11.0), principal="local:7")

    def take(name: str, steps: int = 1000) -> None:
        store.reserve(
            reservation_id=name, root=ROOT, job="j", mechanism=mechanism(steps), unit=EXAMPLE, now=1
        )

    take("a")
    take("b")
    with pytest.raises(BudgetExhausted):
        take("c", 10**6)
    store.settle(store.advance(store.start(store.reservation("a")), to=20), private_stop=False)
    store.release(store.reservation("b"), reason="asked")
    assert store.budgets() and store.reservations(ROOT) and not store.check()


def test_every_statement_compiles_for_both_databases_and_writers_take_the_book(
    ledger: tuple[SqlLedgerStore, Engine],
) -> None:
    store, engine = ledger
    seen: list[ClauseElement] = []

    @event.listens_for(engine, "before_execute")
    def _note(_connection: object, statement: object, *_: object) -> None:
        if isinstance(statement, ClauseElement):
            seen.append(statement)

    story(store)
    ours, theirs = (make_url(f"{name}://").get_dialect()() for name in ("sqlite", "postgresql+psycopg"))
    for dialect in (ours, theirs):
        assert all(str(statement.compile(dialect=dialect)) for statement in seen)
    locking = {
        text.rpartition("FOR ")[2]
        for text in (str(statement.compile(dialect=theirs)) for statement in seen)
        if "FROM ledger_book" in text and " FOR " in text
    }
    assert locking == {"UPDATE", "SHARE"}


def test_whoever_writes_has_the_database_for_writing_from_the_start(
    ledger: tuple[SqlLedgerStore, Engine],
) -> None:
    store, engine = ledger
    begun: list[str] = []
    wrote: set[str] = set()

    @event.listens_for(engine, "before_cursor_execute")
    def _note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("BEGIN"):
            begun.append(statement)
        elif statement.startswith(("INSERT", "UPDATE", "DELETE")):
            wrote.add(begun[-1])

    story(store)
    assert wrote == {"BEGIN IMMEDIATE"}, "or a reader that turns writer may find that it read the past"
    assert "BEGIN" in begun, "and readers do not wait for each other"


@pytest.mark.parametrize("table", [books, budgets, reservations], ids=lambda table: table.name)
def test_migrations_make_the_tables_that_the_store_names(
    ledger: tuple[SqlLedgerStore, Engine], table: object
) -> None:
    assert isinstance(table, type(books))
    made = {column["name"]: column for column in inspect(ledger[1]).get_columns(table.name)}
    assert made.keys() == {column.name for column in table.columns}
    for column in table.columns:
        assert made[column.name]["nullable"] == column.nullable
        assert str(made[column.name]["type"]) == str(column.type)
    primary = inspect(ledger[1]).get_pk_constraint(table.name)["constrained_columns"]
    assert primary == [column.name for column in table.primary_key]


def test_the_tables_go_and_come_back_with_their_migration(ledger: tuple[SqlLedgerStore, Engine]) -> None:
    _, engine = ledger
    downgrade(engine, "guard")
    assert not [name for name in inspect(engine).get_table_names() if name.startswith("ledger")]
    upgrade(engine, "guard")
    assert len([name for name in inspect(engine).get_table_names() if name.startswith("ledger")]) == 3


def test_an_admission_takes_as_many_statements_among_many_jobs_as_among_few(
    ledger: tuple[SqlLedgerStore, Engine],
) -> None:
    store, engine = ledger
    store.set_budget(budget(), principal="local:7")
    counts = []
    statements = 0

    @event.listens_for(engine, "before_cursor_execute")
    def _count(*_: object) -> None:
        nonlocal statements
        statements += 1

    for number in range(20):
        statements = 0
        store.reserve(
            reservation_id=f"r{number}", root=ROOT, job="j", mechanism=mechanism(10), unit=EXAMPLE, now=1
        )
        counts.append(statements)
    assert len(set(counts)) == 1


def test_looking_at_a_ledger_that_was_never_written_makes_no_key(tmp_path: Path) -> None:
    ledger, engine = sql_ledger(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("keyring*")}
    assert ledger.check() == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("keyring*")} == before
    engine.dispose()
