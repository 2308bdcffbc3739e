"""Trained models in SQL: their versions, cards and stages."""

from __future__ import annotations

import json

import msgspec
from sqlalchemy import Engine, insert, or_, select, update
from sqlalchemy.engine import Row

from guard.domain.event import Record
from guard.domain.model import ModelVersion, Stage
from guard.errors import Conflict, NotFound
from guard.storage.job_tables import models
from guard.storage.outbox import count, put
from guard.storage.tables import versions

__all__ = ["SqlModelStore"]

VERSION = "model"


class SqlModelStore:
    """Implements ``registry.versions.ModelStore`` for one tenant."""

    def __init__(self, engine: Engine, *, tenant: str = "default") -> None:
        self._engine = engine
        self._tenant = tenant

    def version(self) -> int:
        """Return a counter that grows with every change."""
        with self._engine.connect() as connection:
            query = select(versions.c.value).where(versions.c.name == VERSION)
            return connection.execute(query).scalar() or 0

    def list(self) -> list[ModelVersion]:
        """Return every version, newest first."""
        query = select(models).where(models.c.tenant == self._tenant)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(models.c.name, models.c.version.desc()))
            return [_version(row) for row in rows]

    def find(self, name: str, version: int | None = None) -> ModelVersion:
        """Return a version, or the newest. Raises ``NotFound``."""
        query = select(models).where(models.c.tenant == self._tenant, models.c.name == name)
        if version is not None:
            query = query.where(models.c.version == version)
        with self._engine.connect() as connection:
            row = connection.execute(query.order_by(models.c.version.desc())).first()
        if row is None:
            raise NotFound(f"no such model {name!r}; see: guard models list")
        return _version(row)

    def add(self, version: ModelVersion, event: Record) -> None:
        """Register a version. Raises ``Conflict`` if it, or another of its job, exists."""
        same = (
            (models.c.tenant == version.tenant)
            & (models.c.name == version.name)
            & (models.c.version == version.version)
        )
        values = {
            "tenant": version.tenant,
            "name": version.name,
            "version": version.version,
            "digest": version.digest,
            "certificate": version.certificate,
            "dataset": version.dataset,
            "job": version.job,
            "stage": version.stage.value,
            "card": json.dumps(dict(version.card)),
            "created": version.created,
        }
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            if connection.execute(select(models.c.job).where(or_(same, models.c.job == version.job))).first():
                raise Conflict(f"model {version.name} version {version.version} exists already")
            connection.execute(insert(models).values(values))
            count(connection, VERSION)
            put(connection, event)

    def stage(self, version: ModelVersion, stage: Stage, event: Record) -> None:
        """Move a version; the one that was in production before is retired with it."""
        named = (models.c.tenant == version.tenant) & (models.c.name == version.name)
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            if stage is Stage.PRODUCTION:
                served = models.c.stage == Stage.PRODUCTION.value
                connection.execute(update(models).where(named & served).values(stage=Stage.RETIRED.value))
            this = named & (models.c.version == version.version)
            if connection.execute(update(models).where(this).values(stage=stage.value)).rowcount != 1:
                raise NotFound(f"no model {version.name} version {version.version}")
            count(connection, VERSION)
            put(connection, event)


def _version(row: Row[tuple[object, ...]]) -> ModelVersion:
    return ModelVersion(
        name=row.name,
        version=row.version,
        tenant=row.tenant,
        digest=row.digest,
        certificate=row.certificate,
        dataset=row.dataset,
        job=row.job,
        stage=Stage(row.stage),
        card=msgspec.json.decode(row.card, type=dict[str, str]),
        created=row.created,
    )
