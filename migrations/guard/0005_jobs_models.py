"""Jobs and trained models."""

import sqlalchemy as sa
from alembic import op

revision = "guard_0005"
down_revision = "guard_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("lease", sa.String(36), nullable=False),
        sa.Column("cancelling", sa.Boolean, nullable=False),
        sa.Column("progress", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "model",
        sa.Column("tenant", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("certificate", sa.String(64), nullable=False),
        sa.Column("dataset", sa.String(80), nullable=False),
        sa.Column("job", sa.String(36), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False, index=True),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("job", name="model_job"),
    )


def downgrade() -> None:
    op.drop_table("model")
    op.drop_table("job")
