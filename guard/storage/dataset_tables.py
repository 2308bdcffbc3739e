"""Tables of registered datasets (``guard.db``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from guard.storage.tables import metadata

__all__ = ["datasets"]

datasets = Table(
    "dataset",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("identity", String(80), nullable=False, index=True),
    Column("root", String(80), nullable=False, index=True),
    Column("parent", String(80)),
    Column("unit", String(16), nullable=False),
    Column("subject_column", String(256)),
    Column("units", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("columns", Text, nullable=False),
    Column("transforms", Text, nullable=False),
    Column("shards", Text, nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("licence", String(200), nullable=False),
    Column("policy", String(80), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("sketch_rows", Integer, nullable=False),
    Column("sketch", LargeBinary, nullable=False),
    UniqueConstraint("tenant", "name", name="dataset_name"),
)
