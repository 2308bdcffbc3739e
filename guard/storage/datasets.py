"""Registered datasets in SQL. A dataset and its event are one transaction."""

from __future__ import annotations

import json
import struct
from collections.abc import Collection

import msgspec
from sqlalchemy import Engine, insert, or_, select
from sqlalchemy.engine import Row

from guard.datasets.identity import Sketch
from guard.domain.dataset import Column, ColumnKind, ColumnTransform, Dataset, Shard, TransformWord
from guard.domain.event import Record
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import Conflict, NotFound
from guard.storage.dataset_tables import datasets
from guard.storage.outbox import count, put

__all__ = ["SqlDatasetStore"]

VERSION = "dataset"
HEAD, WORD = ">HH", 8


class SqlDatasetStore:
    """Implements ``datasets.ingest.DatasetStore`` for one tenant."""

    def __init__(self, engine: Engine, *, tenant: str = "default") -> None:
        self._engine = engine
        self._tenant = tenant

    def list(self) -> list[Dataset]:
        """Return every dataset, oldest first."""
        query = select(datasets).where(datasets.c.tenant == self._tenant)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(datasets.c.created, datasets.c.id))
            return [_dataset(row) for row in rows]

    def find(self, name: str) -> Dataset:
        """Return a dataset by name or id. Raises ``NotFound``."""
        wanted = or_(datasets.c.name == name, datasets.c.id == name)
        query = select(datasets).where(datasets.c.tenant == self._tenant, wanted)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"no dataset {name!r}; see: guard dataset list")
        return _dataset(row)

    def sketches(self) -> dict[str, Sketch]:
        """Return the sketch of every dataset by id."""
        query = select(datasets.c.id, datasets.c.sketch_rows, datasets.c.sketch)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(datasets.c.tenant == self._tenant))
            return {row.id: _sketch(row.sketch_rows, row.sketch) for row in rows}

    def add(self, dataset: Dataset, sketch: Sketch, event: Record, *, compared: Collection[str]) -> None:
        """Register a dataset with its event.

        Raises ``Conflict`` if its name or id is taken, or if there is a dataset that is not
        among those it was ``compared`` with.
        """
        known = select(datasets.c.id, datasets.c.name).where(datasets.c.tenant == dataset.tenant)
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            # One registration after the other, on PostgreSQL too: whoever counts holds the row.
            count(connection, VERSION)
            for row in connection.execute(known):
                if dataset.name == row.name or dataset.id == row.id:
                    raise Conflict(f"a dataset is named {row.name!r} already; choose another --name")
                if row.id not in compared:
                    raise Conflict(
                        f"dataset {row.name!r} was registered meanwhile; run the ingest again",
                        code="registered_meanwhile",
                    )
            connection.execute(insert(datasets).values(_values(dataset, sketch)))
            put(connection, event)


def _values(dataset: Dataset, sketch: Sketch) -> dict[str, object]:
    return {
        "id": dataset.id,
        "tenant": dataset.tenant,
        "name": dataset.name,
        "identity": dataset.identity,
        "root": dataset.root,
        "parent": dataset.parent,
        "unit": dataset.unit.kind.value,
        "subject_column": dataset.unit.column,
        "units": dataset.units,
        "rows": dataset.rows,
        "columns": json.dumps([[column.name, column.kind.value] for column in dataset.columns]),
        "transforms": json.dumps(
            [[item.column, item.word.value, item.rule, dict(item.parameters)] for item in dataset.transforms]
        ),
        "shards": json.dumps([[shard.name, shard.rows, shard.digest] for shard in dataset.shards]),
        "purpose": dataset.purpose,
        "licence": dataset.licence,
        "policy": dataset.policy,
        "created": dataset.created,
        "sketch_rows": sketch.rows,
        "sketch": _packed(sketch),
    }


def _packed(sketch: Sketch) -> bytes:
    """Return level, number of columns, columns and marks."""
    words = (*sketch.columns, *sorted(sketch.marks))
    return struct.pack(f"{HEAD}{len(words)}Q", sketch.level, len(sketch.columns), *words)


def _sketch(rows: int, packed: bytes) -> Sketch:
    head = struct.calcsize(HEAD)
    level, columns, *words = struct.unpack(f"{HEAD}{(len(packed) - head) // WORD}Q", packed)
    return Sketch(rows=rows, level=level, columns=tuple(words[:columns]), marks=frozenset(words[columns:]))


def _dataset(row: Row[tuple[object, ...]]) -> Dataset:
    found = Dataset(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        identity=row.identity,
        root=row.root,
        parent=row.parent,
        unit=PrivacyUnit(kind=UnitKind(row.unit), column=row.subject_column),
        units=row.units,
        rows=row.rows,
        columns=tuple(
            Column(name=name, kind=kind)
            for name, kind in msgspec.json.decode(row.columns, type=list[tuple[str, ColumnKind]])
        ),
        transforms=tuple(
            ColumnTransform(column=column, word=word, rule=rule, parameters=parameters)
            for column, word, rule, parameters in msgspec.json.decode(
                row.transforms, type=list[tuple[str, TransformWord, str, dict[str, int]]]
            )
        ),
        shards=tuple(
            Shard(name=name, rows=rows, digest=digest)
            for name, rows, digest in msgspec.json.decode(row.shards, type=list[tuple[str, int, str]])
        ),
        purpose=row.purpose,
        licence=row.licence,
        policy=row.policy,
        created=row.created,
    )
    if found.bound() != found.id:
        raise Conflict(
            f"dataset {found.name!r} is not as it was registered; its row was changed", code="dataset_changed"
        )
    return found
