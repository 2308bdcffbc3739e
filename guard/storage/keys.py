"""Application keys in SQL. A change, its event and the version are one transaction.

The event waits in the outbox until ``relay`` has appended it to the log, so that a crash
between the two loses neither: it is delivered at the next start or command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, insert, select, text, update

from guard.domain.event import Record, Recorder
from guard.domain.principal import Limits
from guard.errors import Conflict, NotFound
from guard.identity.api_keys import KeyRecord
from guard.storage.tables import api_keys, outbox, versions

__all__ = ["SqlKeyStore", "relay"]

VERSION = "api_key"


class SqlKeyStore:
    """Implements ``identity.api_keys.KeyStore``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def version(self) -> int:
        """Return a counter that grows with every change."""
        with self._engine.connect() as connection:
            query = select(versions.c.value).where(versions.c.name == VERSION)
            return connection.execute(query).scalar() or 0

    def list(self) -> Sequence[KeyRecord]:
        """Return all records, oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(api_keys).order_by(api_keys.c.created, api_keys.c.id))
            return [
                KeyRecord(
                    id=row.id,
                    hash=row.hash,
                    tenant=row.tenant,
                    application=row.application,
                    models=tuple(json.loads(row.models)),
                    purposes=tuple(json.loads(row.purposes)),
                    created=row.created,
                    expires=row.expires,
                    revoked=row.revoked,
                    limits=Limits(requests_per_minute=row.requests_per_minute, concurrency=row.concurrency),
                )
                for row in rows
            ]

    def add(self, record: KeyRecord, event: Record) -> None:
        """Store a new key and its event. Raises ``Conflict`` if its id exists."""
        values = {
            "id": record.id,
            "hash": record.hash,
            "tenant": record.tenant,
            "application": record.application,
            "models": json.dumps(record.models),
            "purposes": json.dumps(record.purposes),
            "created": record.created,
            "expires": record.expires,
            "revoked": record.revoked,
            "requests_per_minute": record.limits.requests_per_minute,
            "concurrency": record.limits.concurrency,
        }
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            query = select(api_keys.c.id).where(api_keys.c.id == record.id)
            if connection.execute(query).first():
                raise Conflict(f"the key {record.id} exists")
            connection.execute(insert(api_keys).values(values))
            _changed(connection, record.id, event)

    def end(self, key_id: str, *, expires: int | None, revoked: int | None, event: Record) -> None:
        """Set when a key ends, with its event. Raises ``NotFound``."""
        values = {
            name: value for name, value in (("expires", expires), ("revoked", revoked)) if value is not None
        }
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            changed = connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))
            if changed.rowcount != 1:
                raise NotFound(f"no key {key_id}; see: guard keys list")
            _changed(connection, key_id, event)


def _changed(connection: Connection, key_id: str, event: Record) -> None:
    version = connection.execute(
        text(
            "INSERT INTO version (name, value) VALUES (:name, 1)"
            " ON CONFLICT (name) DO UPDATE SET value = version.value + 1 RETURNING value"
        ),
        {"name": VERSION},
    ).scalar_one()
    plain = {
        "tenant": event.tenant,
        "type": event.type,
        "fields": event.fields,
        "sealed": event.sealed,
    }
    # A key may be rotated more than once, so the name holds the version that this change made.
    name = f"{event.type}:{key_id}:{version}"
    connection.execute(insert(outbox).values(id=name, record=json.dumps(plain), delivered=False))


async def relay(engine: Engine, recorder: Recorder) -> int:
    """Append every undelivered event to the log; return how many.

    An event is marked only once its leaf is durable. A crash in between repeats the leaf,
    which is harmless and visible; it never loses one.
    """
    with engine.connect() as connection:
        rows = connection.execute(select(outbox).where(outbox.c.delivered.is_(False))).all()
    for row in rows:
        plain = json.loads(row.record)
        await recorder.append(Record(**plain))
        with engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            connection.execute(update(outbox).where(outbox.c.id == row.id).values(delivered=True))
    return len(rows)
