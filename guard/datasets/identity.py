"""Who a dataset is: a digest of its rows in any order, and a sketch that finds rows it shares.

A copy shares its parent's privacy budget, so a copy must be recognised. The digest adds the
rows' hashes (a multiset hash): equal digests are the same rows. The sketch recognises what
is not quite the same, without names of columns and however values are spelled: by a sample
of its rows' hashes, rows that were taken out, added or repeated; by one hash a column, a
table whose columns were renamed, dropped, added or changed. It is keyed, so that nobody
can look a row up in it. What it cannot see stands in decision 16.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from guard.datasets.values import Value, spelled

__all__ = ["RowsDigest", "RowsSketch", "Sketch", "shared_fraction"]

MODULUS = 1 << 512
WORD = 64
"""Bits of a mark."""
FEW = 2048
"""Marks from which on a sample is thinned, by half each time."""
THINNEST = 6
"""Of 2^THINNEST rows at least one is in the sample, whatever their number: so a small part of a
large dataset is found, and a large dataset round a small one. 1,000 rows are missed with a
chance of 2e-7, 100 rows of 5,000,000 with one of 0.2."""
COLUMNS = 2
"""Equal columns that make a table known, if they are half of its columns."""
REMEMBERED = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """What is kept of a dataset to recognise it.

    ``marks``: the hashes, below 2^(64 - ``level``), of its distinct rows. ``columns``: one
    hash for each column that says something, rising.
    """

    rows: int
    level: int
    marks: frozenset[int]
    columns: tuple[int, ...]


class RowsDigest:
    """The digest of rows, one by one. ``total``: what an earlier part of them added up to."""

    def __init__(self, total: str = "") -> None:
        rows, _, whole = total.partition(":")
        self._rows = int(rows or "0")
        self._sum = int(whole or "0", 16)

    def add(self, values: Mapping[str, Value]) -> None:
        """Take one row; columns may come in any order, numbers count as they are written."""
        plain = json.dumps(
            sorted((name, "" if value is None else str(value)) for name, value in values.items()),
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        self._sum = (self._sum + int.from_bytes(hashlib.sha512(plain).digest(), "big")) % MODULUS
        self._rows += 1

    @property
    def total(self) -> str:
        """What to go on from after a crash; tells nothing of a row."""
        return f"{self._rows}:{self._sum:x}"

    def identity(self) -> str:
        """Return ``sha256:<hex>`` of the sum and the number of rows."""
        whole = self._sum.to_bytes(64, "big") + self._rows.to_bytes(8, "big")
        return "sha256:" + hashlib.sha256(b"guard/dataset\n" + whole).hexdigest()


class RowsSketch:
    """Draws the sketch of rows, one by one. ``key``: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._rows = 0
        self._level = 0
        self._marks: set[int] = set()
        self._sums: Counter[str] = Counter()
        self._first: dict[str, int] = {}
        self._telling: set[str] = set()
        self._cell = lru_cache(REMEMBERED)(self._hashed)

    def add(self, values: Mapping[str, Value]) -> None:
        """Take one row."""
        self._rows += 1
        cells: list[int] = []
        for name, value in values.items():
            cell = self._cell(value)
            self._sums[name] += cell
            if self._first.setdefault(name, cell) != cell:
                self._telling.add(name)
            if cell:
                cells.append(cell)
        cells.sort()
        self._keep(self._mark(b"".join(cell.to_bytes(8, "big") for cell in cells)))

    def sketch(self) -> Sketch:
        """Return the sketch of what was taken."""
        columns = [self._mark(f"{self._rows} {self._sums[name]}".encode()) for name in self._telling]
        return Sketch(
            rows=self._rows,
            level=self._level,
            marks=frozenset(self._marks),
            columns=tuple(sorted(columns)),
        )

    def _keep(self, mark: int) -> None:
        if mark >> (WORD - self._level):
            return
        self._marks.add(mark)
        while len(self._marks) > FEW and self._level < THINNEST:
            self._level += 1
            self._marks = _thinned(self._marks, self._level)

    def _hashed(self, value: Value) -> int:
        """Return the hash of a cell; 0 for a missing one, which is as if it were not there."""
        text = spelled(value)
        return self._mark(b"cell " + text.encode()) if text else 0

    def _mark(self, content: bytes) -> int:
        return int.from_bytes(hmac.digest(self._key, content, "sha256")[:8], "big")


def shared_fraction(one: Sketch, other: Sketch) -> float:
    """Estimate how many rows two datasets share, over the distinct rows of the smaller one.

    1 where they are the same table with other columns.
    """
    if one.rows == other.rows and _same_columns(one, other):
        return 1.0
    level = max(one.level, other.level)
    first, second = _thinned(one.marks, level), _thinned(other.marks, level)
    return len(first & second) / max(1, min(len(first), len(second)))


def _same_columns(one: Sketch, other: Sketch) -> bool:
    shared = (Counter(one.columns) & Counter(other.columns)).total()
    return shared >= max(COLUMNS, min(len(one.columns), len(other.columns)) / 2)


def _thinned(marks: set[int] | frozenset[int], level: int) -> set[int]:
    return {mark for mark in marks if not mark >> (WORD - level)}
