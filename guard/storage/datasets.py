"""Registered datasets in SQL. A dataset and its event are one transaction."""

from __future__ import annotations

import json
import struct

import msgspec
from sqlalchemy import Engine, insert, or_, select
from sqlalchemy.engine import Row

from guard.datasets.identity import Sketch
from guard.domain.dataset import Column, ColumnKind, ColumnTransform, Dataset, Shard, TransformWord
from guard.domain.event import Record
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import Conflict, NotFound
from guard.storage.dataset_tables import datasets
from guard.storage.outbox import put

__all__ = ["SqlDatasetStore"]

MARK = 8


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
            return {
                row.id: Sketch(
                    rows=row.sketch_rows,
                    smallest=struct.unpack(f">{len(row.sketch) // MARK}Q", row.sketch),
                )
                for row in rows
            }

    def add(self, dataset: Dataset, sketch: Sketch, event: Record) -> None:
        """Register a dataset with its event. Raises ``Conflict`` if the name or the id is taken."""
        taken = select(datasets.c.id).where(
            datasets.c.tenant == dataset.tenant,
            or_(datasets.c.name == dataset.name, datasets.c.id == dataset.id),
        )
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            if connection.execute(taken).first():
                raise Conflict(f"a dataset is named {dataset.name!r} already; choose another --name")
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
        "sketch": struct.pack(f">{len(sketch.smallest)}Q", *sketch.smallest),
    }


def _dataset(row: Row[tuple[object, ...]]) -> Dataset:
    return Dataset(
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
