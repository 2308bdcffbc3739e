"""Keys know their successor; the outbox holds only what is not delivered yet."""

import sqlalchemy as sa
from alembic import op

revision = "guard_0002"
down_revision = "guard_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_key", sa.Column("successor", sa.String(36)))
    op.execute("DELETE FROM outbox WHERE delivered")
    op.drop_column("outbox", "delivered")


def downgrade() -> None:
    op.drop_column("api_key", "successor")
    op.add_column("outbox", sa.Column("delivered", sa.Boolean, nullable=False, server_default=sa.false()))
