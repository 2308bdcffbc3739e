"""Application keys in memory: what ``SqlKeyStore`` does, in the plainest way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from guard.domain.event import Record
from guard.errors import Conflict, NotFound
from guard.identity.api_keys import KeyRecord

__all__ = ["MemoryKeyStore"]


class MemoryKeyStore:
    """Implements ``identity.api_keys.KeyStore``. ``events``: what waits to be relayed, in order."""

    def __init__(self) -> None:
        self.events: list[Record] = []
        self._records: dict[str, KeyRecord] = {}
        self._version = 0

    def version(self) -> int:
        """Return a counter that grows with every change."""
        return self._version

    def list(self) -> Sequence[KeyRecord]:
        """Return all records, oldest first."""
        return sorted(self._records.values(), key=lambda record: (record.created, record.id))

    def add(self, record: KeyRecord, event: Record) -> None:
        """Store a new key. Raises ``Conflict`` if its id is taken."""
        self._must_be_new(record)
        self._records[record.id] = record
        self._changed(event)

    def rotate(self, key_id: str, successor: KeyRecord, *, expires: int, events: Sequence[Record]) -> None:
        """Store a key's successor and when the key ends. Raises ``NotFound`` and ``Conflict``."""
        self._must_be_new(successor)
        old = self._changeable(key_id)
        if old.successor is not None:
            raise Conflict("rotated")
        self._records[successor.id] = successor
        self._records[key_id] = replace(old, expires=expires, successor=successor.id)
        self._changed(*events)

    def revoke(self, key_id: str, *, revoked: int, event: Record) -> None:
        """Set when a key was revoked. Raises ``NotFound`` and ``Conflict``."""
        self._records[key_id] = replace(self._changeable(key_id), revoked=revoked)
        self._changed(event)

    def _must_be_new(self, record: KeyRecord) -> None:
        if record.id in self._records:
            raise Conflict("taken")

    def _changeable(self, key_id: str) -> KeyRecord:
        record = self._records.get(key_id)
        if record is None:
            raise NotFound("no such key")
        if record.revoked is not None:
            raise Conflict("revoked")
        return record

    def _changed(self, *events: Record) -> None:
        self._version += 1
        self.events += events
