"""The outbox: events that are committed with a change and delivered to the log afterwards.

A crash between the two loses neither: what is undelivered is appended at the next start or
command. Every store of ``guard.db`` uses this one.
"""

from __future__ import annotations

import json

from sqlalchemy import Connection, Engine, insert, select, text, update

from guard.domain.event import Record, Recorder
from guard.storage.tables import outbox

__all__ = ["count", "put", "relay"]


def count(connection: Connection, name: str) -> int:
    """Raise a named counter by one in the transaction of ``connection`` and return it."""
    value: int = connection.execute(
        text(
            "INSERT INTO version (name, value) VALUES (:name, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = version.value + 1 RETURNING value"
        ),
        {"name": name},
    ).scalar_one()
    return value


def put(connection: Connection, event: Record) -> None:
    """Leave ``event`` in the transaction of ``connection``. Events are delivered in order."""
    plain = {"tenant": event.tenant, "type": event.type, "fields": event.fields, "sealed": event.sealed}
    name = f"{count(connection, 'outbox'):015d}"
    connection.execute(insert(outbox).values(id=name, record=json.dumps(plain), delivered=False))


async def relay(engine: Engine, recorder: Recorder) -> int:
    """Append every undelivered event to the log; return how many.

    An event is marked only once its leaf is durable. A crash in between repeats the leaf,
    which is harmless and visible; it never loses one.
    """
    with engine.connect() as connection:
        waiting = select(outbox).where(outbox.c.delivered.is_(False)).order_by(outbox.c.id)
        rows = connection.execute(waiting).all()
    for row in rows:
        await recorder.append(Record(**json.loads(row.record)))
        with engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(delivered=True))
    return len(rows)
