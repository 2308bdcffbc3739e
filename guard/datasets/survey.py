"""The first pass over a source: who it is, what its columns hold. Nothing is written.

Values are sampled uniformly over the whole file (reservoir, Vitter 1985) and screened; the
report names types and counts, never values.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from guard.datasets.identity import RowsDigest, RowsSketch, Sketch
from guard.datasets.values import Value, is_integer, is_number, missing
from guard.documents.rows import Row, RowFile
from guard.domain.dataset import Column, ColumnKind
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import InvalidRequest
from guard.screening.engine import Screener

__all__ = ["ColumnSurvey", "Survey", "survey"]

SAMPLE = 2000
SAMPLED = 1 << 16
"""Characters of a row that the sample keeps; all of it is screened when it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSurvey:
    """What one column holds. ``found``: sampled values with a finding, by type."""

    column: Column
    missing: int
    sampled: int
    found: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the first pass established. ``digest``: SHA-256 of the source's bytes, hex."""

    digest: str
    identity: str
    sketch: Sketch
    rows: int
    units: int
    largest_unit: int
    """Rows of the unit that has most."""
    columns: tuple[ColumnSurvey, ...]


def survey(
    path: Path,
    source: RowFile,
    *,
    unit: PrivacyUnit,
    screener: Screener,
    key: bytes,
    below: Callable[[int], int],
    progress: Callable[[int], None] = lambda _: None,
) -> Survey:
    """Read ``source`` once. ``below(n)`` is a uniform integer below n; ``progress`` hears bytes.

    Raises ``InvalidRequest`` for rows that cannot be read, a subject column that is missing
    and a row without a subject.
    """
    _check_names(source, screener)
    _check_subject(source, unit)
    digest, sketch = RowsDigest(), RowsSketch(key)
    kinds = {name: _Kind() for name in source.columns}
    users: Counter[bytes] = Counter()
    sample: list[Mapping[str, Value]] = []
    rows = 0
    for row in source.rows():
        digest.add(row.values)
        sketch.add(row.values)
        for name, value in row.values.items():
            kinds[name].see(value)
        if unit.column is not None:
            users[_user(row, unit.column, key)] += 1
        if len(sample) < SAMPLE:
            sample.append(_short(row.values))
        elif (at := below(rows + 1)) < SAMPLE:
            sample[at] = _short(row.values)
        rows = row.after.rows
        progress(row.after.offset)
    if not rows:
        raise InvalidRequest("the file holds no rows", code="no_rows")
    by_user = unit.kind is UnitKind.USER
    if unit.column is not None:
        kinds[unit.column].is_code()
    return Survey(
        digest=_digest(path),
        identity=digest.identity(),
        sketch=sketch.sketch(),
        rows=rows,
        units=len(users) if by_user else rows,
        largest_unit=max(users.values()) if by_user else 1,
        columns=tuple(_surveyed(name, kinds[name], sample, screener) for name in source.columns),
    )


def _short(values: Mapping[str, Value]) -> Mapping[str, Value]:
    most = SAMPLED // len(values)
    return {name: value[:most] if isinstance(value, str) else value for name, value in values.items()}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_names(source: RowFile, screener: Screener) -> None:
    """Refuse names of columns that are values: they would stand in clear wherever the dataset is named."""
    for number, name in enumerate(source.columns, 1):
        types = sorted({finding.entity_type for finding in screener.screen(name)})
        if types:
            raise InvalidRequest(
                f"the name of column {number} holds {', '.join(types)}; does the file have a header?",
                code="personal_header",
            )


def _check_subject(source: RowFile, unit: PrivacyUnit) -> None:
    if unit.kind is UnitKind.EXAMPLE and unit.column is not None:
        raise InvalidRequest("a subject column is for the unit user: say --unit user", code="no_user_unit")
    if unit.kind is UnitKind.USER and unit.column is None:
        raise InvalidRequest("a user's unit needs the column that names the user", code="no_subject_column")
    if unit.column is not None and unit.column not in source.columns:
        raise InvalidRequest(
            f"there is no column {unit.column!r}; there are {', '.join(source.columns)}",
            code="no_subject_column",
        )


def _user(row: Row, column: str, key: bytes) -> bytes:
    value = row.values[column]
    if missing(value):
        raise InvalidRequest(
            f"row {row.after.rows} names no user in {column!r}; every row needs one", code="no_subject"
        )
    return hashlib.blake2b(str(value).encode(), key=key, digest_size=16).digest()


class _Kind:
    """Narrows what a column is while its values go by."""

    def __init__(self) -> None:
        self.absent = 0
        self._seen = False
        self._integer = True
        self._number = True

    def see(self, value: Value) -> None:
        if value is None or missing(value):
            self.absent += 1
            return
        self._seen = True
        if self._number:
            self._integer = self._integer and is_integer(value)
            self._number = self._integer or is_number(value)
            if isinstance(value, float) and not math.isfinite(value):
                self.absent += 1

    def is_code(self) -> None:
        """Take it for no quantity: 1 and 1.0 name two users."""
        self._integer = self._number = False

    @property
    def kind(self) -> ColumnKind:
        if not self._seen or not self._number:
            return ColumnKind.TEXT
        return ColumnKind.INTEGER if self._integer else ColumnKind.NUMBER


def _surveyed(name: str, kind: _Kind, sample: list[Mapping[str, Value]], screener: Screener) -> ColumnSurvey:
    found: Counter[str] = Counter()
    sampled = 0
    for values in sample:
        value = values[name]
        if missing(value):
            continue
        sampled += 1
        # The header is context: "password" makes a secret of what stands in the column.
        shown = f"{name}: {value}"
        findings = screener.screen(shown)
        found.update({finding.entity_type for finding in findings if finding.start > len(name)})
    return ColumnSurvey(
        column=Column(name=name, kind=kind.kind), missing=kind.absent, sampled=sampled, found=dict(found)
    )
