"""Rows of CSV and JSON Lines files, one at a time and resumable.

A row knows the byte after it, so that reading can go on there after a crash. Whatever
cannot be read safely is refused with the number of its row and never with its content.
"""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from guard.errors import InvalidRequest

__all__ = ["Place", "Row", "RowFile", "open_row_file"]

MAX_RECORD = 1 << 20
"""Bytes of one record, over all the lines that it may have."""
MAX_COLUMNS = 2000
MAX_NAME = 256
"""Characters of a column's name."""
MARK = b"\xef\xbb\xbf"

Value = str | int | float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Between two rows: ``rows`` have been read, ``offset`` is the byte after them."""

    rows: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record. ``values`` follow the order of the file's columns; ``after``: the place behind it."""

    values: Mapping[str, Value]
    after: Place


class RowFile(Protocol):
    """A file of rows."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        ...

    def rows(self, start: Place | None = None) -> Iterator[Row]:
        """Yield the rows from ``start`` on, or all. Raises ``InvalidRequest``."""
        ...


def open_row_file(path: Path) -> RowFile:
    """Open ``path`` by its ending (``.csv``, ``.jsonl``, ``.ndjson``).

    Raises ``InvalidRequest`` if it cannot be read or its columns are not clear.
    """
    readers: dict[str, Callable[[Path], RowFile]] = {
        ".csv": _CsvFile,
        ".jsonl": _JsonlFile,
        ".ndjson": _JsonlFile,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidRequest(
            f"{path.name}: only {', '.join(readers)} files can be read", code="unknown_format"
        )
    try:
        # A pipe or a device would give other bytes each time that it is read, or none at all.
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidRequest(f"{path.name}: not a file that can be read twice", code="unreadable")
        return reader(path)
    except OSError as error:
        raise InvalidRequest(f"cannot read {path} ({error.strerror})", code="unreadable") from None


class _Lines:
    """Lines of a file as text; ``offset`` is the byte after the last one that was taken."""

    def __init__(self, file: BinaryIO, name: str, offset: int) -> None:
        self._file = file
        self._name = name
        self._record = offset
        self.offset = offset
        file.seek(offset)

    def begin(self) -> None:
        """Count the bytes of a record from here."""
        self._record = self.offset

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_RECORD + 1):
            start = len(MARK) if self.offset == 0 and line.startswith(MARK) else 0
            self.offset += len(line)
            if self.offset - self._record > MAX_RECORD:
                raise InvalidRequest(
                    f"{self._name}: a record is longer than {MAX_RECORD} bytes", code="record_too_long"
                )
            try:
                text = line[start:].decode()
            except UnicodeDecodeError:
                raise InvalidRequest(
                    f"{self._name}: not UTF-8 before byte {self.offset}", code="not_utf8"
                ) from None
            if "\0" in text:
                raise InvalidRequest(f"{self._name}: a NUL before byte {self.offset}", code="not_text")
            yield text


def _checked(columns: list[str], name: str) -> tuple[str, ...]:
    stripped = [column.strip() for column in columns]
    if not stripped or len(stripped) > MAX_COLUMNS:
        raise InvalidRequest(f"{name}: expected 1 to {MAX_COLUMNS} columns", code="no_columns")
    if len(set(stripped)) != len(stripped) or not all(map(_is_name, stripped)):
        raise InvalidRequest(
            f"{name}: column names stand twice, are empty, longer than {MAX_NAME} or not printable",
            code="unclear_columns",
        )
    return tuple(stripped)


def _is_name(column: str) -> bool:
    return 0 < len(column) <= MAX_NAME and column.isprintable()


class _CsvFile:
    """Comma-separated values with a header (RFC 4180)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            lines = _Lines(file, path.name, 0)
            header = next(self._records(lines, 0), None)
            if header is None:
                raise InvalidRequest(f"{path.name}: the file is empty", code="no_columns")
            self.columns = _checked(header, path.name)
            self._first = lines.offset

    def rows(self, start: Place | None = None) -> Iterator[Row]:
        place = start or Place(rows=0, offset=self._first)
        with self._path.open("rb") as file:
            lines = _Lines(file, self._path.name, place.offset)
            number = place.rows
            for record in self._records(lines, number):
                if not record:
                    continue
                number += 1
                if len(record) != len(self.columns):
                    raise InvalidRequest(
                        f"{self._path.name}: row {number} has {len(record)} values, "
                        f"the header has {len(self.columns)}",
                        code="uneven_row",
                    )
                values = dict(zip(self.columns, (value.strip() for value in record), strict=True))
                yield Row(values=values, after=Place(rows=number, offset=lines.offset))

    def _records(self, lines: _Lines, done: int) -> Iterator[list[str]]:
        # The reader takes no line ahead of the record that it returns, so offsets are exact.
        try:
            for record in csv.reader(lines, strict=True):
                lines.begin()
                yield record
        except csv.Error:
            raise InvalidRequest(
                f"{self._path.name}: not CSV near byte {lines.offset}, after row {done}", code="not_csv"
            ) from None


class _JsonlFile:
    """One flat JSON object a line; the first names the columns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            for line in _json_lines(_Lines(file, path.name, 0)):
                if line.strip():
                    self.columns = _checked(list(self._object(line, 1)), path.name)
                    return
        raise InvalidRequest(f"{path.name}: the file is empty", code="no_columns")

    def rows(self, start: Place | None = None) -> Iterator[Row]:
        place = start or Place(rows=0, offset=0)
        with self._path.open("rb") as file:
            lines = _Lines(file, self._path.name, place.offset)
            number = place.rows
            for line in _json_lines(lines):
                if not line.strip():
                    continue
                number += 1
                found = self._object(line, number)
                if not set(found) <= set(self.columns):
                    raise InvalidRequest(
                        f"{self._path.name}: row {number} has a member that the first row has not",
                        code="uneven_row",
                    )
                values = {name: found.get(name) for name in self.columns}
                yield Row(values=values, after=Place(rows=number, offset=lines.offset))

    def _object(self, line: str, number: int) -> dict[str, Value]:
        try:
            found = json.loads(line, parse_constant=_no_constant)
            if "\\u" in line:
                json.dumps(found, ensure_ascii=False).encode()  # half a character has no bytes
        except (ValueError, RecursionError):
            raise InvalidRequest(f"{self._path.name}: row {number} is not JSON", code="not_json") from None
        if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):
            raise InvalidRequest(f"{self._path.name}: row {number} is no flat object", code="nested_row")
        return {name: _plain(value) for name, value in found.items()}


def _json_lines(lines: _Lines) -> Iterator[str]:
    for line in lines:
        lines.begin()
        yield line


def _no_constant(_word: str) -> None:
    """Take NaN and Infinity as missing: they are no JSON, but common in exports."""


def _plain(value: object) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return value.strip() if isinstance(value, str) else value
    raise TypeError("JSON has no other scalars")
