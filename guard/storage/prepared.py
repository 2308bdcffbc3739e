"""Statements compiled once for an engine, for the few that run in every transaction of the log.

SQLAlchemy's own execution costs several times SQLite's work on such small statements, so
they run on the driver's cursor, inside the transaction that SQLAlchemy has begun. The
text is SQLAlchemy's, in the dialect of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import Executable

__all__ = ["Prepared"]


class Prepared:
    """One statement; parameters are given by name."""

    __slots__ = ("_names", "_text")

    def __init__(self, statement: Executable, engine: Engine) -> None:
        if not isinstance(statement, ClauseElement):
            raise TypeError("only SQL expressions can be compiled")
        compiled = statement.compile(dialect=engine.dialect)
        self._text = str(compiled)
        positions = getattr(compiled, "positiontup", None)
        self._names: Sequence[str] | None = tuple(positions) if positions is not None else None

    def one(self, connection: Connection, **values: object) -> tuple[Any, ...] | None:
        """Run with one set of parameters; return the first row, if the statement gives rows."""
        cursor = connection.connection.cursor()
        cursor.execute(self._text, self._bound(values))
        row: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
        cursor.close()
        return row

    def many(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Run for each row; nothing happens for none."""
        if not rows:
            return
        cursor = connection.connection.cursor()
        cursor.executemany(self._text, [self._bound(row) for row in rows])
        cursor.close()

    def _bound(self, values: Mapping[str, object]) -> Any:  # noqa: ANN401 (the driver's own parameter styles)
        if self._names is None:
            return dict(values)
        return tuple([values[name] for name in self._names])
