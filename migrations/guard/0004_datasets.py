"""Registered datasets."""

import sqlalchemy as sa
from alembic import op

revision = "guard_0004"
down_revision = "guard_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("identity", sa.String(80), nullable=False, index=True),
        sa.Column("root", sa.String(80), nullable=False, index=True),
        sa.Column("parent", sa.String(80)),
        sa.Column("unit", sa.String(16), nullable=False),
        sa.Column("subject_column", sa.String(256)),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("columns", sa.Text, nullable=False),
        sa.Column("transforms", sa.Text, nullable=False),
        sa.Column("shards", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(64), nullable=False),
        sa.Column("licence", sa.String(200), nullable=False),
        sa.Column("policy", sa.String(80), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("sketch_rows", sa.Integer, nullable=False),
        sa.Column("sketch", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("tenant", "name", name="dataset_name"),
    )


def downgrade() -> None:
    op.drop_table("dataset")
