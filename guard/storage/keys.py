"""Application keys in SQL. A change, its event and the version are one transaction.

The event waits in the outbox until it has been appended to the log (``outbox.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, insert, select, update

from guard.domain.event import Record
from guard.domain.principal import Limits
from guard.errors import Conflict, NotFound
from guard.identity.api_keys import KeyRecord
from guard.storage.outbox import count, put
from guard.storage.tables import api_keys, versions

__all__ = ["SqlKeyStore"]

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
            _changed(connection, event)

    def end(self, key_id: str, *, expires: int | None, revoked: int | None, event: Record) -> None:
        """Set when a key ends, with its event. Raises ``NotFound``."""
        values = {
            name: value for name, value in (("expires", expires), ("revoked", revoked)) if value is not None
        }
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            changed = connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))
            if changed.rowcount != 1:
                raise NotFound(f"no key {key_id}; see: guard keys list")
            _changed(connection, event)


def _changed(connection: Connection, event: Record) -> None:
    count(connection, VERSION)
    put(connection, event)
