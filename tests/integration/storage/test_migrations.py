"""Migrations: up, down and up again, the schema that the code expects, and two at once."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, MetaData, event, inspect, text
from sqlalchemy.engine.interfaces import DBAPICursor

import guard.storage
from guard.storage import log_tables, tables
from guard.storage.database import open_database, sqlite_url
from guard.storage.migrate import current, downgrade, newest, shipped, upgrade

DATABASES = {"guard": tables.metadata, "log": log_tables.metadata}
BOTH = pytest.mark.parametrize("database", DATABASES)

MIGRATES = """
import sys
from pathlib import Path
from guard.storage.database import open_database, sqlite_url
from guard.storage.migrate import current, upgrade
sys.stdin.readline()
for database in ("guard", "log"):
    engine = open_database(sqlite_url(Path(sys.argv[1]) / f"{database}.db"))
    upgrade(engine, database)
    print(current(engine, database))
"""


@pytest.fixture(scope="module", autouse=True)
def every_table() -> None:
    """Tables join the metadata when their module is imported."""
    for module in pkgutil.iter_modules(guard.storage.__path__):
        importlib.import_module(f"guard.storage.{module.name}")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(sqlite_url(tmp_path / "some.db"))
    yield made
    made.dispose()


def names(engine: Engine) -> set[str]:
    """Return the tables that hold something of ours."""
    return {name for name in inspect(engine).get_table_names() if not name.endswith("_version")}


def differences(engine: Engine, database: str, metadata: MetaData) -> list[object]:
    """Return what a new migration would have to change."""
    with engine.connect() as connection:
        options = {
            "version_table": f"{database}_version",
            "compare_type": True,
            "compare_server_default": True,
        }
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


@BOTH
def test_up_makes_the_schema_that_the_code_expects(engine: Engine, database: str) -> None:
    upgrade(engine, database)
    assert current(engine, database) == newest(engine, database)
    assert differences(engine, database, DATABASES[database]) == []
    for table in DATABASES[database].tables.values():
        keys = inspect(engine).get_pk_constraint(table.name)["constrained_columns"]
        assert keys == [column.name for column in table.primary_key], table.name


@BOTH
def test_a_missing_column_would_be_noticed(engine: Engine, database: str) -> None:
    """Without this, the comparison above could be blind."""
    upgrade(engine, database)
    table = "api_key" if database == "guard" else "leaf"
    column = "tenant" if database == "guard" else "time"
    with engine.connect() as connection, connection.begin():
        connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {column}"))
    assert len(differences(engine, database, DATABASES[database])) == 1


@BOTH
def test_down_leaves_nothing_and_up_again_makes_the_same(engine: Engine, database: str) -> None:
    upgrade(engine, database)
    before = schema(engine)
    downgrade(engine, database)
    assert names(engine) == set()
    assert current(engine, database) is None
    upgrade(engine, database)
    assert schema(engine) == before


def schema(engine: Engine) -> list[tuple[str, str]]:
    """Return the statements that SQLite keeps of tables and indices."""
    with engine.connect() as connection:
        query = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(row.name, row.sql) for row in connection.execute(query)]


@BOTH
def test_up_twice_changes_nothing(engine: Engine, database: str) -> None:
    upgrade(engine, database)
    before = schema(engine)
    upgrade(engine, database)
    assert schema(engine) == before


@BOTH
def test_a_migration_that_fails_leaves_the_database_as_it_was(engine: Engine, database: str) -> None:
    """Also the part of it that had worked."""
    last = next(iter(DATABASES[database].tables))

    def fail(connection: Connection, cursor: DBAPICursor, statement: str, *rest: object) -> None:
        if statement.lstrip().startswith(f"CREATE TABLE {last}"):
            raise OSError("disk full")

    event.listen(engine, "after_cursor_execute", fail)
    with pytest.raises(OSError, match="disk full"):
        upgrade(engine, database)
    event.remove(engine, "after_cursor_execute", fail)
    assert names(engine) == set()
    upgrade(engine, database)
    assert differences(engine, database, DATABASES[database]) == []


def test_processes_that_migrate_at_once_all_succeed(tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATES, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4, [err for _, err in results]
    assert len({out for out, _ in results}) == 1
    for database, metadata in DATABASES.items():
        engine = open_database(sqlite_url(tmp_path / f"{database}.db"))
        assert differences(engine, database, metadata) == []
        engine.dispose()


@BOTH
def test_revisions_are_one_line_without_branches(engine: Engine, database: str) -> None:
    files = sorted((shipped("migrations") / database).glob("[0-9]*.py"))
    upgrade(engine, database)
    numbers = [path.name[:4] for path in files]
    assert numbers == [f"{number:04d}" for number in range(1, len(files) + 1)]
    assert newest(engine, database) == f"{database}_{numbers[-1]}"


# What migrations do with rows ----------------------------------------------------------------
def test_usage_and_holds_of_the_first_schema_survive(engine: Engine) -> None:
    upgrade(engine, "log", "log_0001")
    with engine.connect() as connection, connection.begin():
        connection.execute(
            text("INSERT INTO usage VALUES ('k', 'requests', 120, 3), ('k', 'concurrent', 0, 1)")
        )
        held = json.dumps([["k", "concurrent", 0, 1], ["k", "requests", 120, 1]])
        connection.execute(
            text("INSERT INTO open_exchange VALUES ('e1', 'default', 'boot', 1, :held)"), {"held": held}
        )
    upgrade(engine, "log")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM usage ORDER BY unit")).all()
        assert [tuple(row) for row in rows] == [("k", "concurrent", 0, 0, 1), ("k", "requests", 60, 120, 3)]
        now_held = connection.execute(text("SELECT held FROM open_exchange")).scalar_one()
        assert json.loads(now_held) == [["k", "concurrent", 0, 0, 1], ["k", "requests", 60, 120, 1]]
    downgrade(engine, "log", "log_0002")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT held FROM open_exchange")).scalar_one() == held
        rows = connection.execute(text("SELECT * FROM usage ORDER BY unit")).all()
        assert [tuple(row) for row in rows] == [("k", "concurrent", 0, 1), ("k", "requests", 120, 3)]


def test_events_that_were_delivered_leave_the_outbox_and_the_others_stay(engine: Engine) -> None:
    upgrade(engine, "guard", "guard_0001")
    with engine.connect() as connection, connection.begin():
        connection.execute(text("INSERT INTO outbox VALUES ('1', '{}', true), ('2', '{}', false)"))
    upgrade(engine, "guard")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT id FROM outbox")).scalars().all() == ["2"]
