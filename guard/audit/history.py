"""The records of one exchange, with the sealed values that can still be opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.audit import verify
from guard.audit.export import Opener, StoredValue, unsealed

__all__ = ["HistoryStore", "Told", "exchange_records"]

SALT = 16


class IndexedEntry(Protocol):
    """An entry as the store returns it."""

    @property
    def index(self) -> int: ...
    @property
    def body(self) -> bytes: ...


class HistoryStore(Protocol):
    """What reading a history needs."""

    def exchange(self, exchange: str) -> Sequence[tuple[str, IndexedEntry]]:
        """Return the entries of one exchange with their logs, in order."""
        ...

    def side_rows(self, log: str, leaf_ids: Sequence[str] | None = None) -> Iterator[StoredValue]:
        """Yield sealed values, of some entries or of all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One record: where it stands, its leaf as JSON, and its sealed values by name.

    A name that is sealed in the leaf and has no value was erased, or its key was destroyed.
    """

    log: str
    index: int
    leaf: Mapping[str, object]
    values: Mapping[str, object]


def exchange_records(store: HistoryStore, opener: Opener, exchange: str) -> list[Told]:
    """Return the records of ``exchange`` in order; empty if there is none."""
    told: list[Told] = []
    for log, entry in store.exchange(exchange):
        leaf = verify.decode(entry.body, "entry")
        values: dict[str, object] = {}
        for row in store.side_rows(log, [leaf["id"]]):
            plain = unsealed(opener, log, row)
            if plain is not None:
                values[row.name] = verify.decode(plain[SALT:], "side row")
        told.append(Told(log=log, index=entry.index, leaf=leaf, values=values))
    return told
