"""The records of one exchange, with the sealed values that can still be opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from guard.audit import verify
from guard.audit.export import Opener, StoredEntry, StoredValue, unsealed

__all__ = ["HistoryStore", "Told", "exchange_records"]

SALT = 16


class HistoryStore(Protocol):
    """What reading a history needs."""

    def exchange(self, exchange: str) -> Sequence[tuple[str, StoredEntry]]:
        """Return the entries of one exchange with their logs, in order."""
        ...

    def side_rows(self, log: str, leaf_ids: Sequence[str] | None = None) -> Iterator[StoredValue]:
        """Yield sealed values, of some entries or of all."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One record: its leaf as JSON, and its sealed values by name."""

    log: str
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
        told.append(Told(log=log, leaf=leaf, values=values))
    return told
