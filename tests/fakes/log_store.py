"""The log in memory: what ``SqlLogStore`` does, in the plainest way, with faults on demand."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

from guard.audit.batch import Counter, Head, LogTransaction, OpenExchange, StoredLeaf, Writes
from guard.domain.event import Receipt

__all__ = ["MemoryLogStore", "MemorySideRow", "MemoryState"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySideRow:
    """A stored sealed value."""

    leaf_id: str
    name: str
    key_id: str
    value: bytes


@dataclass(slots=True, kw_only=True)
class MemoryState:
    """What a disk would hold."""

    heads: dict[str, Head] = field(default_factory=dict)
    leaves: dict[tuple[str, int], StoredLeaf] = field(default_factory=dict)
    rows: dict[tuple[str, str, str], MemorySideRow] = field(default_factory=dict)
    opened: dict[str, OpenExchange] = field(default_factory=dict)
    counters: dict[Counter, int] = field(default_factory=dict)
    once: dict[str, Receipt] = field(default_factory=dict)
    checkpoints: dict[tuple[str, int], str] = field(default_factory=dict)


class MemoryLogStore:
    """Implements every port that reads or writes the log.

    ``faults``: errors that the next transactions end with, in place of their commit.
    ``commits``: how many records each commit held.
    """

    def __init__(self) -> None:
        self.state = MemoryState()
        self.faults: list[Exception] = []
        self.commits: list[int] = []
        self._lock = threading.Lock()

    def transaction(self) -> AbstractContextManager[LogTransaction]:
        """Take the lock; leaving it commits."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[LogTransaction]:
        with self._lock:
            transaction = _MemoryTransaction(deepcopy(self.state))
            yield transaction
            if self.faults:
                raise self.faults.pop(0)
            self.state = transaction.state
            self.commits.append(transaction.written_leaves)

    def logs(self) -> list[str]:
        """Return the names of all logs."""
        return sorted(self.state.heads)

    def head(self, log: str) -> Head:
        """Return the state of one log."""
        return deepcopy(self.state.heads.get(log, Head()))

    def leaves(self, log: str, *, start: int = 0, stop: int | None = None) -> Iterator[StoredLeaf]:
        """Yield entries in order of index."""
        for (name, index), leaf in sorted(self.state.leaves.items()):
            if name == log and index >= start and (stop is None or index < stop):
                yield leaf

    def exchange(self, exchange: str) -> list[tuple[str, StoredLeaf]]:
        """Return the entries of one exchange with their logs, in order."""
        found = [leaf for leaf in self.state.leaves.values() if leaf.exchange == exchange]
        return [(leaf.log, leaf) for leaf in sorted(found, key=lambda leaf: leaf.index)]

    def side_rows(self, log: str, leaf_ids: Sequence[str] | None = None) -> Iterator[MemorySideRow]:
        """Yield sealed values of a log, or of some of its entries."""
        for (name, leaf_id, _), row in sorted(self.state.rows.items()):
            if name == log and (leaf_ids is None or leaf_id in leaf_ids):
                yield row

    def open_exchanges(self) -> list[OpenExchange]:
        """Return every exchange without an end."""
        return list(self.state.opened.values())

    def newest_checkpoint(self, log: str) -> str | None:
        """Return the text of a log's newest checkpoint."""
        found = self.checkpoints(log)
        return found[-1][1] if found else None

    def checkpoints(self, log: str) -> list[tuple[int, str]]:
        """Return size and text of all checkpoints of a log, oldest first."""
        return sorted((size, text) for (name, size), text in self.state.checkpoints.items() if name == log)

    def add_checkpoint(self, log: str, size: int, signed: str) -> None:
        """Store a checkpoint; one of the same size is kept."""
        self.state.checkpoints.setdefault((log, size), signed)

    def orphans(self) -> dict[str, int]:
        """Count the rows of each table that belong to no entry, or to an entry beyond its log's head."""
        state = self.state
        entries = {(leaf.log, leaf.id) for leaf in state.leaves.values()}
        return {
            "leaf": sum(
                log not in state.heads or index >= state.heads[log].size for log, index in state.leaves
            ),
            "side_row": sum((log, leaf_id) not in entries for log, leaf_id, _ in state.rows),
            "checkpoint": sum(log not in state.heads for log, _ in state.checkpoints),
        }

    def forget_usage(self, before: int) -> None:
        """Delete counters of windows that ended before ``before``."""
        counters = self.state.counters
        for counter in [name for name in counters if name.seconds and name.start + name.seconds < before]:
            del counters[counter]

    def usage(self) -> dict[Counter, int]:
        """Return the counters that are not 0."""
        return {counter: amount for counter, amount in self.state.counters.items() if amount}

    def close(self) -> None:
        """Nothing is open."""


class _MemoryTransaction:
    """Implements ``audit.batch.LogTransaction`` on a copy of the state."""

    def __init__(self, state: MemoryState) -> None:
        self.state = state
        self.written_leaves = 0

    def heads(self, logs: Iterable[str]) -> dict[str, Head]:
        return {log: deepcopy(self.state.heads.setdefault(log, Head())) for log in logs}

    def counters(self, counters: Iterable[Counter]) -> dict[Counter, int]:
        return {counter: self.state.counters.get(counter, 0) for counter in counters}

    def open_exchanges(self, exchanges: Iterable[str]) -> dict[str, OpenExchange]:
        return {name: self.state.opened[name] for name in exchanges if name in self.state.opened}

    def written(self, names: Iterable[str]) -> dict[str, Receipt]:
        return {name: self.state.once[name] for name in names if name in self.state.once}

    def write(self, writes: Writes) -> None:
        for leaf in writes.leaves:
            if (leaf.log, leaf.index) in self.state.leaves:
                raise RuntimeError("an entry is there already")
            self.state.leaves[leaf.log, leaf.index] = leaf
        for log, leaf_id, name, key_id, value in writes.rows:
            row = MemorySideRow(leaf_id=leaf_id, name=name, key_id=key_id, value=value)
            self.state.rows[log, leaf_id, name] = row
        self.state.heads |= deepcopy(writes.heads)
        self.state.opened |= writes.opened
        for exchange in writes.closed:
            self.state.opened.pop(exchange, None)
        self.state.counters |= writes.counters
        self.state.once |= writes.once
        self.written_leaves += len(writes.leaves)
