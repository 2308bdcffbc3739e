"""The privacy ledger: budgets, reservations, and the book that covers them."""

import sqlalchemy as sa
from alembic import op

revision = "guard_0003"
down_revision = "guard_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_book",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("changes", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_budget",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("root", sa.String(80), primary_key=True),
        sa.Column("epsilon", sa.Double, nullable=False),
        sa.Column("delta", sa.Double, nullable=False),
        sa.Column("renyi_order", sa.Integer, nullable=False),
        sa.Column("unit_kind", sa.String(16), nullable=False),
        sa.Column("unit_column", sa.String(256)),
        sa.Column("relation", sa.String(16), nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "ledger_reservation",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("root", sa.String(80), nullable=False, index=True),
        sa.Column("job", sa.String(36), nullable=False),
        sa.Column("sample_rate", sa.Double, nullable=False),
        sa.Column("noise_multiplier", sa.Double, nullable=False),
        sa.Column("steps", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("written_ahead", sa.BigInteger, nullable=False),
        sa.Column("private_stop", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("seal", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("ledger_reservation", "ledger_budget", "ledger_book"):
        op.drop_table(table)
