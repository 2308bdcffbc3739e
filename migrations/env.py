"""Alembic's environment for both databases, ``guard`` and ``log``.

Two processes that start together must not migrate together: on SQLite the write lock of
``BEGIN IMMEDIATE`` serialises them, on PostgreSQL an advisory lock does, and there lock
and statement timeouts keep a migration from stopping the service behind a long query.
"""

from alembic import context
from sqlalchemy import Connection, Engine

ADVISORY_LOCK = 0x67756172


def run(connection: Connection, database: str) -> None:
    if connection.dialect.name == "postgresql":
        # First the lock: whoever waits for another's migration may wait as long as that takes.
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '4s'")
        connection.exec_driver_sql("SET LOCAL statement_timeout = '60s'")
    context.configure(connection=connection, version_table=f"{database}_version", transactional_ddl=True)
    context.run_migrations()


engine: Engine = context.config.attributes["engine"]
with engine.connect().execution_options(guard_write=True) as connection, connection.begin():
    run(connection, context.config.attributes["database"])
