"""Commit records without a writer thread: what one batch does, at a moment that the test names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import count

from guard.audit.batch import Pending, Result, commit
from guard.audit.leaf import Leaf, prepare
from guard.audit.log import LogStore
from guard.domain.event import Denied, Receipt, Record
from tests.fakes.sealer import ClearSealer

__all__ = ["Batches", "denied", "receipt"]

SECOND = 1_000_000


class Batches:
    """Makes leaves with counted ids and commits them to a store."""

    def __init__(self, store: LogStore, *, boot: str = "boot-1") -> None:
        self.sealer = ClearSealer()
        self._store = store
        self._boot = boot
        self._ids: Iterator[int] = count(1)

    def commit(self, *records: Record, second: float = 1000.0, boot: str | None = None) -> list[Result]:
        """Write one batch at ``second``."""
        pending = [
            Pending(
                record=item, leaf=self._leaf(item), denied=self._leaf(item.denied) if item.denied else None
            )
            for item in records
        ]
        with self._store.transaction() as transaction:
            return commit(transaction, pending, boot=boot or self._boot, now=round(second * SECOND))

    def _leaf(self, item: Record) -> Leaf:
        name = f"{next(self._ids):036d}"
        salts = hashlib.shake_256(name.encode()).digest(400)
        return prepare(item, boot=self._boot, leaf_id=name, entropy=salts, sealer=self.sealer)


def receipt(result: Result) -> Receipt:
    """Return a receipt, or fail."""
    assert isinstance(result, Receipt), result
    return result


def denied(results: Sequence[Result]) -> list[bool]:
    """Return which of the results are denials."""
    return [isinstance(result, Denied) for result in results]
