"""A log store whose commits wait for the test, to see what queues meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from guard.audit.batch import LogTransaction
from tests.fakes.log_store import MemoryLogStore

__all__ = ["GatedStore"]

PATIENCE = 30.0


class GatedStore:
    """Implements ``audit.log.LogStore`` over another store. ``busy``: a transaction has begun."""

    def __init__(self, store: MemoryLogStore) -> None:
        self._store = store
        self.busy = threading.Event()
        self.gate = threading.Event()

    def transaction(self) -> AbstractContextManager[LogTransaction]:
        """Open a transaction of the store behind, once the gate is open."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[LogTransaction]:
        self.busy.set()
        if not self.gate.wait(PATIENCE):
            raise TimeoutError("the test never opened the gate")
        with self._store.transaction() as transaction:
            yield transaction
