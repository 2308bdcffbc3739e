"""Usage is counted a window length at a time: a minute and a day may start together."""

import json
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "log_0003"
down_revision = "log_0002"
branch_labels = None
depends_on = None

Item = list[str | int]


def upgrade() -> None:
    op.create_table(
        "usage_by_window",
        sa.Column("key_id", sa.String(36), primary_key=True),
        sa.Column("unit", sa.String(16), primary_key=True),
        sa.Column("seconds", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    # Until now only requests a minute and running counts were limited.
    op.execute(
        "INSERT INTO usage_by_window (key_id, unit, seconds, start, amount)"
        " SELECT key_id, unit, CASE WHEN start = 0 THEN 0 ELSE 60 END, start, amount FROM usage"
    )
    op.drop_table("usage")
    op.rename_table("usage_by_window", "usage")
    rewrite_held(lambda item: [*item[:2], 60 if item[2] else 0, *item[2:]])


def downgrade() -> None:
    op.create_table(
        "usage_by_start",
        sa.Column("key_id", sa.String(36), primary_key=True),
        sa.Column("unit", sa.String(16), primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
    )
    op.execute(
        "INSERT INTO usage_by_start (key_id, unit, start, amount)"
        " SELECT key_id, unit, start, amount FROM usage WHERE seconds IN (0, 60)"
    )
    op.drop_table("usage")
    op.rename_table("usage_by_start", "usage")
    rewrite_held(lambda item: [*item[:2], *item[3:]])


def rewrite_held(change: Callable[[Item], Item]) -> None:
    connection = op.get_bind()
    for exchange, held in connection.execute(sa.text("SELECT exchange, held FROM open_exchange")).all():
        changed = json.dumps([change(item) for item in json.loads(held)])
        connection.execute(
            sa.text("UPDATE open_exchange SET held = :held WHERE exchange = :exchange"),
            {"held": changed, "exchange": exchange},
        )
