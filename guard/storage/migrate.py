"""Bring a database to the current schema (Alembic), from the source tree or a wheel."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

__all__ = ["current", "downgrade", "newest", "shipped", "upgrade"]


def shipped(name: str) -> Path:
    """Return a folder that ships beside the package (``migrations``, ``policies``)."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_shipped" / name
    return inside if inside.is_dir() else package.parent / name


def _config(engine: Engine, database: str) -> Config:
    config = Config()
    folder = shipped("migrations")
    config.set_main_option("script_location", str(folder))
    config.set_main_option("version_locations", str(folder / database))
    config.set_main_option("path_separator", "newline")
    config.attributes["engine"] = engine
    config.attributes["database"] = database
    return config


def upgrade(engine: Engine, database: str, revision: str = "head") -> None:
    """Migrate ``database`` (``guard`` or ``log``) up to a revision."""
    command.upgrade(_config(engine, database), revision)


def downgrade(engine: Engine, database: str, revision: str = "base") -> None:
    """Migrate ``database`` down to a revision; ``base`` leaves no table of ours."""
    command.downgrade(_config(engine, database), revision)


def current(engine: Engine, database: str) -> str | None:
    """Return the revision that the database is at."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": f"{database}_version"})
        return context.get_current_revision()


def newest(engine: Engine, database: str) -> str | None:
    """Return the newest revision of this program."""
    return ScriptDirectory.from_config(_config(engine, database)).get_current_head()
