"""Tables of jobs and of trained models (``guard.db``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Integer, String, Table, Text, UniqueConstraint

from guard.storage.tables import metadata

__all__ = ["jobs", "models"]

jobs = Table(
    "job",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("spec", Text, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("attempt", Integer, nullable=False),
    Column("lease", String(36), nullable=False),
    Column("cancelling", Boolean, nullable=False),
    Column("progress", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
)

models = Table(
    "model",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("certificate", String(64), nullable=False),
    Column("dataset", String(80), nullable=False),
    Column("job", String(36), nullable=False),
    Column("stage", String(16), nullable=False, index=True),
    Column("card", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    UniqueConstraint("job", name="model_job"),
)
