"""Tables of the log (``log.db``, or the one PostgreSQL database)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

__all__ = ["checkpoints", "delivered", "heads", "leaves", "metadata", "open_exchanges", "side_rows", "usage"]

metadata = MetaData()

leaves = Table(
    "leaf",
    metadata,
    Column("log", String(64), primary_key=True),
    Column("idx", BigInteger, primary_key=True),
    Column("time", BigInteger, nullable=False),
    Column("id", String(36), nullable=False),
    Column("type", String(40), nullable=False),
    Column("exchange", String(36), nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("leaf_exchange", "exchange"),
    sqlite_with_rowid=False,
)

side_rows = Table(
    "side_row",
    metadata,
    Column("log", String(64), primary_key=True),
    Column("leaf_id", String(36), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("key_id", String(80), nullable=False),
    Column("value", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

heads = Table(
    "head",
    metadata,
    Column("log", String(64), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
)

checkpoints = Table(
    "checkpoint",
    metadata,
    Column("log", String(64), primary_key=True),
    Column("size", BigInteger, primary_key=True),
    Column("text", Text, nullable=False),
)

open_exchanges = Table(
    "open_exchange",
    metadata,
    Column("exchange", String(36), primary_key=True),
    Column("log", String(64), nullable=False),
    Column("boot", String(36), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("held", Text, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("key_id", String(36), primary_key=True),
    Column("unit", String(16), primary_key=True),
    Column("seconds", BigInteger, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)

delivered = Table(
    "delivered",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("log", String(64), nullable=False),
    Column("idx", BigInteger, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("leaf_id", String(36), nullable=False),
)
