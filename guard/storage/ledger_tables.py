"""Tables of the privacy ledger (``guard.db``)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, String, Table

from guard.storage.tables import metadata

__all__ = ["books", "budgets", "reservations"]

books = Table(
    "ledger_book",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("changes", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

budgets = Table(
    "ledger_budget",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("root", String(80), primary_key=True),
    Column("epsilon", Double, nullable=False),
    Column("delta", Double, nullable=False),
    Column("renyi_order", Integer, nullable=False),
    Column("unit_kind", String(16), nullable=False),
    Column("unit_column", String(256)),
    Column("relation", String(16), nullable=False),
    Column("seal", LargeBinary, nullable=False),
)

reservations = Table(
    "ledger_reservation",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("id", String(36), primary_key=True),
    Column("root", String(80), nullable=False, index=True),
    Column("job", String(36), nullable=False),
    Column("sample_rate", Double, nullable=False),
    Column("noise_multiplier", Double, nullable=False),
    Column("steps", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("written_ahead", BigInteger, nullable=False),
    Column("private_stop", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("seal", LargeBinary, nullable=False),
)
