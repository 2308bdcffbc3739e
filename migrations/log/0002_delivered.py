"""Receipts of records that are written at most once."""

import sqlalchemy as sa
from alembic import op

revision = "log_0002"
down_revision = "log_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "delivered",
        sa.Column("name", sa.String(80), primary_key=True),
        sa.Column("log", sa.String(64), nullable=False),
        sa.Column("idx", sa.BigInteger, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("leaf_id", sa.String(36), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("delivered")
