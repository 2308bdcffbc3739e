"""Look into the outbox of a database without relaying it."""

from __future__ import annotations

import json

from sqlalchemy import Engine, select

from guard.domain.event import Record
from guard.storage.tables import outbox

__all__ = ["waiting_events"]


def waiting_events(engine: Engine) -> list[Record]:
    """Return the events that are not in the log yet, in order."""
    with engine.connect() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.id)).all()
    return [Record(**json.loads(row.record)) for row in rows]
