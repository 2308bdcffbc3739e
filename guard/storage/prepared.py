"""Statements compiled once for an engine, for the few that run in every transaction of the log.

SQLAlchemy's own execution costs several times SQLite's work on such small statements, so
they run on the driver's cursor, inside the transaction that SQLAlchemy has begun. The
text is SQLAlchemy's, in the dialect of the engine.

SQLite's driver lets go of the interpreter for every row and has to wait for it each time,
so rows are inserted many at a time there. Other drivers send many rows at once by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.expression import Executable

__all__ = ["Prepared"]

VALUES = re.compile(r"VALUES (\((?:\?, )*\?\))")
WIDTHS = (32, 8)
"""Rows of one statement; few different ones, so that SQLite keeps them prepared."""


class Prepared:
    """One statement; parameters are given by name."""

    __slots__ = ("_names", "_text", "_wide")

    def __init__(self, statement: Executable, engine: Engine) -> None:
        if not isinstance(statement, ClauseElement):
            raise TypeError("only SQL expressions can be compiled")
        compiled = statement.compile(dialect=engine.dialect)
        self._text = str(compiled)
        positions = getattr(compiled, "positiontup", None)
        self._names: Sequence[str] | None = tuple(positions) if positions is not None else None
        self._wide = {width: _widened(self._text, width) for width in WIDTHS if VALUES.search(self._text)}

    def one(self, connection: Connection, **values: object) -> tuple[Any, ...] | None:
        """Run with one set of parameters; return the first row, if the statement gives rows."""
        cursor = connection.connection.cursor()
        cursor.execute(self._text, self._bound(values))
        row: tuple[Any, ...] | None = cursor.fetchone() if cursor.description else None
        cursor.close()
        return row

    def all(self, connection: Connection, **values: object) -> list[tuple[Any, ...]]:
        """Run with one set of parameters; return every row."""
        cursor = connection.connection.cursor()
        cursor.execute(self._text, self._bound(values))
        rows = [tuple(row) for row in cursor.fetchall()]
        cursor.close()
        return rows

    def many(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Run for each row; nothing happens for none."""
        if not rows:
            return
        bound = [self._bound(row) for row in rows]
        cursor = connection.connection.cursor()
        for width, text in self._wide.items():
            while len(bound) >= width:
                cursor.execute(text, [value for row in bound[:width] for value in row])
                bound = bound[width:]
        if bound:
            cursor.executemany(self._text, bound)
        cursor.close()

    def _bound(self, values: Mapping[str, object]) -> Any:  # noqa: ANN401 (the driver's own parameter styles)
        if self._names is None:
            return dict(values)
        return tuple([values[name] for name in self._names])


def _widened(text: str, width: int) -> str:
    """Return an INSERT of one row as one of ``width`` rows."""
    return VALUES.sub(lambda row: "VALUES " + ", ".join([row.group(1)] * width), text)
