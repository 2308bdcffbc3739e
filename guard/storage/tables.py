"""Tables of administration (``guard.db``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, String, Table, Text

__all__ = ["api_keys", "metadata", "outbox", "secrets", "versions"]

metadata = MetaData()

api_keys = Table(
    "api_key",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("tenant", String(64), nullable=False),
    Column("application", String(64), nullable=False),
    Column("models", Text, nullable=False),
    Column("purposes", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("requests_per_minute", Integer),
    Column("concurrency", Integer),
    Column("successor", String(36)),
)

secrets = Table(
    "secret",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("key_id", String(80), nullable=False),
    Column("value", LargeBinary, nullable=False),
)

versions = Table(
    "version",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("record", Text, nullable=False),
)
