"""What every log store must do, whatever it is made of."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from guard.audit.batch import (
    Counter,
    Head,
    Held,
    LogTransaction,
    OpenExchange,
    StoredLeaf,
    Writes,
)
from guard.audit.verify import leaf_hash
from guard.domain.event import Receipt
from guard.storage.log import SqlLogStore
from tests.fakes.log_store import MemoryLogStore

Store = SqlLogStore | MemoryLogStore


def leaf(index: int, *, log: str = "default", exchange: str = "") -> StoredLeaf:
    """Return an entry with a body that names it."""
    body = f"{log}/{index}".encode()
    return StoredLeaf(
        log=log,
        index=index,
        time=100 + index,
        id=f"{log}-{index}",
        type="exchange.intent",
        exchange=exchange,
        hash=leaf_hash(body),
        body=body,
    )


def write(store: Store, writes: Writes) -> None:
    """Write in one transaction, as a batch does: heads are read first."""
    with store.transaction() as transaction:
        transaction.heads(list(writes.heads))
        transaction.write(writes)


def with_leaves(leaves: Sequence[StoredLeaf]) -> Writes:
    """Return writes of entries of one log with a head of their number."""
    log = leaves[0].log
    head = Head(size=len(leaves), time=leaves[-1].time, frontier=[leaf.hash for leaf in leaves])
    return Writes(leaves=list(leaves), heads={log: head})


def test_a_log_without_entries_has_an_empty_head(log_store: Store) -> None:
    assert log_store.logs() == []
    assert log_store.head("default") == Head()
    with log_store.transaction() as transaction:
        assert transaction.heads(["default"]) == {"default": Head()}
    assert log_store.head("default") == Head()


def test_what_was_written_is_read_back(log_store: Store) -> None:
    write(log_store, with_leaves([leaf(0, exchange="e1"), leaf(1), leaf(2, exchange="e1")]))
    assert log_store.logs() == ["default"]
    assert log_store.head("default").size == 3
    assert log_store.head("default").frontier == [leaf(index).hash for index in range(3)]
    stored = [(row.index, row.time, row.id, row.hash, row.body) for row in log_store.leaves("default")]
    assert stored == [
        (row.index, row.time, row.id, row.hash, row.body) for row in (leaf(0), leaf(1), leaf(2))
    ]
    assert [(log, row.index, row.type) for log, row in log_store.exchange("e1")] == [
        ("default", 0, "exchange.intent"),
        ("default", 2, "exchange.intent"),
    ]
    assert log_store.exchange("unknown") == []


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        (0, None, range(5)),
        (2, None, range(2, 5)),
        (1, 3, range(1, 3)),
        (0, 0, ()),
        (5, None, ()),
        (0, 99, range(5)),
    ],
)
def test_entries_are_read_in_ranges(
    log_store: Store, start: int, stop: int | None, expected: Sequence[int]
) -> None:
    write(log_store, with_leaves([leaf(index) for index in range(5)]))
    assert [row.index for row in log_store.leaves("default", start=start, stop=stop)] == list(expected)


def test_entries_longer_than_a_page_are_read_whole(log_store: Store) -> None:
    write(log_store, with_leaves([leaf(index) for index in range(4001)]))
    assert [row.index for row in log_store.leaves("default")] == list(range(4001))


def test_logs_do_not_see_each_other(log_store: Store) -> None:
    write(log_store, with_leaves([leaf(0, log="a")]))
    write(log_store, with_leaves([leaf(0, log="b"), leaf(1, log="b")]))
    assert log_store.logs() == ["a", "b"]
    assert [row.id for row in log_store.leaves("b")] == ["b-0", "b-1"]
    assert (log_store.head("a").size, log_store.head("b").size) == (1, 2)


def test_a_transaction_that_fails_leaves_nothing(log_store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_after(log_store, with_leaves([leaf(0)]))
    assert (log_store.head("default"), list(log_store.leaves("default"))) == (Head(), [])
    write(log_store, with_leaves([leaf(0)]))
    assert log_store.head("default").size == 1


def fail_after(store: Store, writes: Writes) -> None:
    """Write, and fail before the transaction ends."""
    with store.transaction() as transaction:
        transaction.heads(list(writes.heads))
        transaction.write(writes)
        raise ZeroDivisionError


def test_an_entry_is_never_overwritten(log_store: Store) -> None:
    write(log_store, with_leaves([leaf(0)]))
    with pytest.raises(Exception, match=r"."):
        write(log_store, with_leaves([leaf(0)]))
    assert [row.body for row in log_store.leaves("default")] == [leaf(0).body]


def test_side_rows_are_read_by_log_and_by_entry(log_store: Store) -> None:
    writes = with_leaves([leaf(0), leaf(1)])
    writes.rows = [
        ("default", "default-1", "subject", "k:1", b"\x00two"),
        ("default", "default-0", "subject", "k:1", b"one"),
        ("default", "default-0", "body", "k:1", b"three"),
    ]
    write(log_store, writes)
    rows = [(row.leaf_id, row.name, row.key_id, row.value) for row in log_store.side_rows("default")]
    assert rows == [
        ("default-0", "body", "k:1", b"three"),
        ("default-0", "subject", "k:1", b"one"),
        ("default-1", "subject", "k:1", b"\x00two"),
    ]
    assert [row.name for row in log_store.side_rows("default", ["default-0"])] == ["body", "subject"]
    assert list(log_store.side_rows("default", [])) == []
    assert list(log_store.side_rows("other")) == []


def opened(exchange: str, *, attempt: int = 1, held: tuple[Held, ...] = ()) -> OpenExchange:
    """Return an open exchange."""
    return OpenExchange(exchange=exchange, log="default", boot="boot-1", attempt=attempt, held=held)


def test_open_exchanges_are_kept_until_they_are_closed(log_store: Store) -> None:
    held = (
        Held(counter=Counter("key-1", "concurrent", 0, 0), amount=1),
        Held(counter=Counter("key-1", "requests", 60, 60), amount=2),
    )
    first, second = opened("e1", held=held), opened("e2")
    write(log_store, Writes(opened={"e1": first, "e2": second}))
    assert sorted(log_store.open_exchanges(), key=lambda exchange: exchange.exchange) == [first, second]
    with log_store.transaction() as transaction:
        assert transaction.open_exchanges(["e2", "e1", "e3"]) == {"e1": first, "e2": second}
    again = opened("e1", attempt=2, held=held)
    write(log_store, Writes(opened={"e1": again}, closed={"e2"}))
    assert log_store.open_exchanges() == [again]


def counters(store: Store, *wanted: Counter) -> dict[Counter, int]:
    """Read counters in a transaction of their own."""
    with store.transaction() as transaction:
        return dict(transaction.counters(wanted))


def test_counters_hold_the_last_value(log_store: Store) -> None:
    one, two = Counter("key-1", "requests", 60, 60), Counter("key-1", "requests", 60, 120)
    assert counters(log_store, one) == {one: 0}
    write(log_store, Writes(counters={one: 3, two: 1}))
    write(log_store, Writes(counters={one: 2}))
    assert counters(log_store, one, two) == {one: 2, two: 1}


def test_a_minute_and_a_day_that_start_together_are_counted_apart(log_store: Store) -> None:
    minute, day = Counter("key-1", "tokens", 60, 86400), Counter("key-1", "tokens", 86400, 86400)
    write(log_store, Writes(counters={minute: 1, day: 5}))
    assert counters(log_store, minute, day) == {minute: 1, day: 5}


def test_counters_of_past_windows_are_forgotten_and_running_ones_are_not(log_store: Store) -> None:
    past, now = Counter("k", "requests", 60, 60), Counter("k", "requests", 60, 120)
    day, running = Counter("k", "tokens", 86400, 0), Counter("k", "concurrent", 0, 0)
    every = (past, now, day, running)
    write(log_store, Writes(counters=dict.fromkeys(every, 7)))
    log_store.forget_usage(121)
    assert counters(log_store, *every) == {past: 0, now: 7, day: 7, running: 7}


def written(transaction: LogTransaction, *names: str) -> dict[str, Receipt]:
    """Return the receipts of these names."""
    return dict(transaction.written(names))


def test_receipts_are_found_by_name(log_store: Store) -> None:
    receipt = Receipt(tenant="default", index=4, time=77, id="an-id")
    write(log_store, Writes(once={"outbox:1": receipt}))
    with log_store.transaction() as transaction:
        assert written(transaction, "outbox:1", "outbox:2") == {"outbox:1": receipt}


def test_checkpoints_are_kept_by_size(log_store: Store) -> None:
    assert log_store.newest_checkpoint("default") is None
    for size in (1, 10, 9):
        log_store.add_checkpoint("default", size, f"checkpoint {size}")
    log_store.add_checkpoint("default", 10, "another of the same size")
    assert log_store.newest_checkpoint("default") == "checkpoint 10"
    assert log_store.checkpoints("default") == [
        (1, "checkpoint 1"),
        (9, "checkpoint 9"),
        (10, "checkpoint 10"),
    ]
    assert log_store.checkpoints("other") == []


def test_orphans_are_counted(log_store: Store) -> None:
    writes = with_leaves([leaf(0), leaf(1)])
    writes.rows = [("default", "default-0", "subject", "k", b"")]
    write(log_store, writes)
    assert log_store.orphans() == {"leaf": 0, "side_row": 0, "checkpoint": 0}
    beyond = Writes(
        leaves=[leaf(2), leaf(0, log="headless")],
        heads={"default": log_store.head("default")},
        rows=[("default", "nobody", "subject", "k", b""), ("other", "default-0", "subject", "k", b"")],
    )
    write(log_store, beyond)
    log_store.add_checkpoint("nowhere", 1, "text")
    assert log_store.orphans() == {"leaf": 2, "side_row": 2, "checkpoint": 1}
