"""The outbox: events that are committed with a change and delivered to the log afterwards.

A crash between the two loses neither: what waits is appended at the next start or
command. Every store of ``guard.db`` uses this one.
"""

from __future__ import annotations

import json

from sqlalchemy import Connection, Engine, delete, insert, select, text

from guard.domain.event import Record, Recorder
from guard.keys.entropy import random_bytes
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
    # Sorts as the changes came; random too, because a restored backup counts some of them again.
    name = f"{count(connection, 'outbox'):015d}-{random_bytes(16).hex()}"
    connection.execute(insert(outbox).values(id=name, record=json.dumps(plain)))


async def relay(engine: Engine, recorder: Recorder) -> int:
    """Append every waiting event to the log; return how many.

    An event leaves the outbox only once its leaf is durable, and the log writes it only
    once: a crash in between neither loses nor repeats it. What is sealed in the leaf
    stands here in plain until then, so it is deleted and not marked.
    """
    with engine.connect() as connection:
        rows = connection.execute(select(outbox).order_by(outbox.c.id)).all()
    for row in rows:
        await recorder.append(Record(**json.loads(row.record), once=f"outbox:{row.id}"))
        with engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            connection.execute(delete(outbox).where(outbox.c.id == row.id))
    return len(rows)
