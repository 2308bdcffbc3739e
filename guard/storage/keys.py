"""Application keys in SQL. A change, its event and the version are one transaction.

The event waits in the outbox until it has been appended to the log (``outbox.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

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
                    successor=row.successor,
                )
                for row in rows
            ]

    def add(self, record: KeyRecord, event: Record) -> None:
        """Store a new key. Raises ``Conflict`` if its id is taken."""
        with self._changing() as connection:
            _insert(connection, record)
            _changed(connection, event)

    def rotate(self, key_id: str, successor: KeyRecord, *, expires: int, events: Sequence[Record]) -> None:
        """Store a key's successor and when the key ends.

        Raises ``NotFound``, and ``Conflict`` for a key that has a successor or was revoked.
        """
        with self._changing() as connection:
            _insert(connection, successor)
            _update(connection, key_id, {"expires": expires, "successor": successor.id})
            _changed(connection, *events)

    def revoke(self, key_id: str, *, revoked: int, event: Record) -> None:
        """Set when a key was revoked. Raises ``NotFound``, and ``Conflict`` if it was before."""
        with self._changing() as connection:
            _update(connection, key_id, {"revoked": revoked})
            _changed(connection, event)

    @contextmanager
    def _changing(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            yield connection


def _insert(connection: Connection, record: KeyRecord) -> None:
    if connection.execute(select(api_keys.c.id).where(api_keys.c.id == record.id)).first():
        raise Conflict(f"the key {record.id} exists")
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
        "successor": record.successor,
    }
    connection.execute(insert(api_keys).values(values))


def _update(connection: Connection, key_id: str, values: Mapping[str, int | str]) -> None:
    """Change a key that was not revoked; one that has a successor may only be revoked."""
    query = select(api_keys.c.revoked, api_keys.c.successor).where(api_keys.c.id == key_id)
    row = connection.execute(query.with_for_update()).first()
    if row is None:
        raise NotFound(f"no key {key_id}; see: guard keys list")
    if row.revoked is not None or (row.successor is not None and "successor" in values):
        raise Conflict(f"the key {key_id} was revoked or rotated meanwhile")
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))


def _changed(connection: Connection, *events: Record) -> None:
    count(connection, VERSION)
    for event in events:
        put(connection, event)
