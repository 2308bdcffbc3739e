"""One batch of records inside one transaction: limits, times, tree (pure but for its port).

The store gives heads and counters, this decides what is written, the store writes it. A
record whose hold is over its cap is written in its denied form in the same batch, one
that would be the second end of an exchange is not written at all; the others are not
touched by that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from guard.audit.leaf import Leaf
from guard.audit.verify import grow, leaf_hash
from guard.domain.event import Denied, Hold, HoldUnit, Receipt, Record
from guard.errors import Conflict

__all__ = [
    "Head",
    "Held",
    "LogTransaction",
    "OpenExchange",
    "Pending",
    "Result",
    "StoredLeaf",
    "Writes",
    "commit",
    "held_from",
    "held_plain",
]

SECOND = 1_000_000
Result = Receipt | Denied | Conflict


class Counter(NamedTuple):
    """What a key used of a unit in the window of ``seconds`` from ``start`` (since 1970).

    Both are 0 for running counts.
    """

    key: str
    unit: str
    seconds: int
    start: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A record with its leaf, and the leaf of its denied form."""

    record: Record
    leaf: Leaf
    denied: Leaf | None


@dataclass(slots=True, kw_only=True)
class Head:
    """The state of one log: its size, last time (µs) and compact range."""

    size: int = 0
    time: int = 0
    frontier: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What an open exchange holds of one counter."""

    counter: Counter
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenExchange:
    """An exchange with an intent and no end yet."""

    exchange: str
    log: str
    boot: str
    attempt: int
    held: tuple[Held, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLeaf:
    """An entry as it is written."""

    log: str
    index: int
    time: int
    id: str
    type: str
    exchange: str
    hash: bytes
    body: bytes


@dataclass(slots=True, kw_only=True)
class Writes:
    """Everything that one transaction writes."""

    leaves: list[StoredLeaf] = field(default_factory=list)
    rows: list[tuple[str, str, str, str, bytes]] = field(default_factory=list)
    """Log, leaf id, name, key id, ciphertext."""
    heads: dict[str, Head] = field(default_factory=dict)
    opened: dict[str, OpenExchange] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    counters: dict[Counter, int] = field(default_factory=dict)
    """New absolute values of the counters that changed."""
    once: dict[str, Receipt] = field(default_factory=dict)
    """Receipts of the records that are written at most once."""


class LogTransaction(Protocol):
    """One open write transaction that holds the log's lock."""

    def heads(self, logs: Iterable[str]) -> dict[str, Head]:
        """Return the heads; a log without entries has an empty one."""
        ...

    def counters(self, counters: Iterable[Counter]) -> dict[Counter, int]:
        """Return the counters' values; absent ones are 0."""
        ...

    def open_exchanges(self, exchanges: Iterable[str]) -> dict[str, OpenExchange]:
        """Return those of the exchanges that are open."""
        ...

    def written(self, names: Iterable[str]) -> dict[str, Receipt]:
        """Return the receipts of those records of these names that were written before."""
        ...

    def write(self, writes: Writes) -> None:
        """Write everything; durable once the transaction has committed."""
        ...


def _counter(hold: Hold, now: int) -> Counter:
    second = now // SECOND
    start = second - second % hold.window if hold.window else 0
    return Counter(hold.key, hold.unit.value, hold.window, start)


def _retry_after(hold: Hold, now: int) -> int:
    return hold.window - now // SECOND % hold.window if hold.window else 1


class _Batch:
    def __init__(self, transaction: LogTransaction, batch: Sequence[Pending], boot: str, now: int) -> None:
        self._boot = boot
        self._now = now
        records = [pending.record for pending in batch]
        self.writes = Writes(heads=transaction.heads({record.tenant for record in records}))
        names = {record.once for record in records if record.once}
        self._written = dict(transaction.written(names)) if names else {}
        exchanges = {name for record in records for name in (record.opens, record.closes) if name}
        self._open = dict(transaction.open_exchanges(exchanges)) if exchanges else {}
        wanted = {_counter(hold, now) for record in records for hold in record.holds}
        wanted |= {held.counter for opened in self._open.values() for held in opened.held}
        self._counters = dict(transaction.counters(wanted)) if wanted else {}

    def add(self, pending: Pending) -> Result:
        record = pending.record
        if record.once in self._written:
            return self._written[record.once]
        if record.closes and record.closes not in self._open:
            return Conflict(
                f"the exchange {record.closes} is not open: it has its end, or never had an intent"
            )
        over = self._over(record.holds)
        if over is not None:
            if record.denied is None or pending.denied is None:
                raise RuntimeError(f"{record.type}: holds without a denied form")
            receipt = self._append(record.denied, pending.denied)
            return Denied(hold=over, receipt=receipt, retry_after=_retry_after(over, self._now))
        receipt = self._append(record, pending.leaf)
        if record.once:
            self._written[record.once] = self.writes.once[record.once] = receipt
        held = self._hold(record.holds)
        if record.opens:
            self._opens(record, record.opens, held)
        if record.closes:
            self._closes(record, record.closes)
        return receipt

    def _over(self, holds: Sequence[Hold]) -> Hold | None:
        for hold in holds:
            if self._counters.get(_counter(hold, self._now), 0) + hold.amount > hold.cap:
                return hold
        return None

    def _change(self, counter: Counter, amount: int) -> None:
        value = self._counters.get(counter, 0) + amount
        self._counters[counter] = self.writes.counters[counter] = value

    def _append(self, record: Record, leaf: Leaf) -> Receipt:
        head = self.writes.heads[record.tenant]
        # A hybrid clock: never equal, never back, whatever the wall clock does.
        head.time = max(self._now, head.time + 1)
        body = leaf.at(head.time)
        digest = leaf_hash(body)
        index = head.size
        grow(head.frontier, index, digest)
        head.size += 1
        self.writes.leaves.append(
            StoredLeaf(
                log=record.tenant,
                index=index,
                time=head.time,
                id=leaf.id,
                type=record.type,
                exchange=str(record.fields.get("exchange", "")),
                hash=digest,
                body=body,
            )
        )
        self.writes.rows += [(record.tenant, leaf.id, row.name, row.key_id, row.value) for row in leaf.rows]
        return Receipt(tenant=record.tenant, index=index, time=head.time, id=leaf.id)

    def _hold(self, holds: Sequence[Hold]) -> tuple[Held, ...]:
        held = tuple(Held(counter=_counter(hold, self._now), amount=hold.amount) for hold in holds)
        for item in held:
            self._change(item.counter, item.amount)
        return held

    def _opens(self, record: Record, exchange: str, held: tuple[Held, ...]) -> None:
        before = self._open.get(exchange)
        attempt = record.fields.get("attempt")
        opened = OpenExchange(
            exchange=exchange,
            log=record.tenant,
            boot=self._boot,
            attempt=attempt if isinstance(attempt, int) else 1,
            held=(before.held if before else ()) + held,
        )
        self._open[exchange] = self.writes.opened[exchange] = opened
        self.writes.closed.discard(exchange)

    def _closes(self, record: Record, exchange: str) -> None:
        opened = self._open.pop(exchange)
        self.writes.opened.pop(exchange, None)
        self.writes.closed.add(exchange)
        settled = {settlement.unit.value: settlement.amount for settlement in record.settlements}
        held: dict[Counter, int] = {}
        for item in opened.held:
            held[item.counter] = held.get(item.counter, 0) + item.amount
        for counter, amount in held.items():
            if counter.unit == HoldUnit.CONCURRENT:
                self._change(counter, -amount)
            elif counter.unit in settled:
                self._change(counter, settled[counter.unit] - amount)


def commit(transaction: LogTransaction, batch: Sequence[Pending], *, boot: str, now: int) -> list[Result]:
    """Write a batch and return what came of each record, in order. ``now`` in µs."""
    working = _Batch(transaction, batch, boot, now)
    results = [working.add(pending) for pending in batch]
    transaction.write(working.writes)
    return results


def held_plain(held: Sequence[Held]) -> list[list[str | int]]:
    """Return what ``held`` looks like as plain JSON."""
    return [[*item.counter, item.amount] for item in held]


def held_from(plain: Sequence[Sequence[str | int]]) -> tuple[Held, ...]:
    """Read what ``held_plain`` wrote."""
    return tuple(
        Held(counter=Counter(str(key), str(unit), int(seconds), int(start)), amount=int(amount))
        for key, unit, seconds, start, amount in plain
    )
