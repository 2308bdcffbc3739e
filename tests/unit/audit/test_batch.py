"""One batch: its times, its tree, its limits, and what an exchange opens and closes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from guard.audit import verify
from guard.domain.event import Denied, HoldUnit, Settlement
from guard.errors import Conflict
from tests.fakes.batches import Batches, denied, receipt
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.records import hold, intent, outcome, record

CONCURRENT, TOKENS = HoldUnit.CONCURRENT, HoldUnit.TOKENS


@pytest.fixture
def store() -> MemoryLogStore:
    return MemoryLogStore()


@pytest.fixture
def batches(store: MemoryLogStore) -> Batches:
    return Batches(store)


def types(store: MemoryLogStore, log: str = "default") -> list[str]:
    """Return the types of a log's entries in order."""
    return [leaf.type for leaf in store.leaves(log)]


# Time, index, tree -------------------------------------------------------------------------
def test_a_batch_gets_consecutive_indices_and_times_that_rise(
    store: MemoryLogStore, batches: Batches
) -> None:
    results = batches.commit(*[record("system.stopped") for _ in range(5)], second=50)
    receipts = [receipt(result) for result in results]
    assert [item.index for item in receipts] == [0, 1, 2, 3, 4]
    assert [item.time for item in receipts] == [50_000_000 + step for step in range(5)]
    assert [json.loads(leaf.body)["time"] for leaf in store.leaves("default")] == [
        item.time for item in receipts
    ]


@pytest.mark.parametrize("second", [50.0, 49.0, 0.0, 50.000001], ids=str)
def test_time_rises_whatever_the_clock_does(batches: Batches, second: float) -> None:
    batches.commit(*[record("system.stopped") for _ in range(3)], second=50)
    later = receipt(batches.commit(record("system.stopped"), second=second)[0])
    assert later.time == 50_000_003


def test_the_clock_is_followed_again_once_it_is_ahead(batches: Batches) -> None:
    batches.commit(record("system.stopped"), second=50)
    assert receipt(batches.commit(record("system.stopped"), second=60)[0]).time == 60_000_000


def test_each_log_has_its_own_indices_and_its_own_tree(store: MemoryLogStore, batches: Batches) -> None:
    mixed = [record("system.stopped", tenant=name) for name in ("a", "b", "a", "a")]
    receipts = [receipt(result) for result in batches.commit(*mixed)]
    assert [(item.tenant, item.index) for item in receipts] == [("a", 0), ("b", 0), ("a", 1), ("a", 2)]
    for log in ("a", "b"):
        check = verify.LogCheck(log)
        for leaf in store.leaves(log):
            check.add(leaf.body)
        assert (check.size, check.frontier) == (store.head(log).size, store.head(log).frontier)


def test_side_rows_are_written_with_their_entry(store: MemoryLogStore, batches: Batches) -> None:
    entry = receipt(batches.commit(intent("e1"))[0])
    names = [row.name for row in store.side_rows("default", [entry.id])]
    assert names == sorted(json.loads(next(store.leaves("default")).body)["sealed"])


# Limits ------------------------------------------------------------------------------------
def test_a_record_over_its_cap_is_written_in_its_denied_form(store: MemoryLogStore, batches: Batches) -> None:
    limit = hold(cap=2)
    results = batches.commit(*[intent(f"e{n}", holds=[limit]) for n in range(4)], second=1210)
    assert denied(results) == [False, False, True, True]
    assert types(store) == ["exchange.intent"] * 2 + ["exchange.refused"] * 2
    assert {exchange.exchange for exchange in store.open_exchanges()} == {"e0", "e1"}
    last = results[-1]
    assert isinstance(last, Denied)
    assert (last.hold, last.receipt.index, last.retry_after) == (limit, 3, 50)
    assert store.usage() == {("key-1", "requests", 60, 1200): 2}


def test_the_next_window_starts_from_nothing(batches: Batches) -> None:
    limit = hold(cap=1)
    for second, over in ((0, False), (59.999999, True), (60, False), (61, True)):
        name = f"e{second}"
        assert denied(batches.commit(intent(name, holds=[limit]), second=second)) == [over], second


def test_a_denied_record_holds_nothing_of_its_other_limits(store: MemoryLogStore, batches: Batches) -> None:
    holds = [hold(cap=5), hold(CONCURRENT, cap=1)]
    batches.commit(intent("e1", holds=holds))
    assert denied(batches.commit(intent("e2", holds=holds))) == [True]
    assert store.usage() == {("key-1", "requests", 60, 960): 1, ("key-1", "concurrent", 0, 0): 1}


def test_running_counts_are_given_back_by_the_end(store: MemoryLogStore, batches: Batches) -> None:
    limit = hold(CONCURRENT, cap=1)
    first = batches.commit(intent("e1", holds=[limit]), intent("e2", holds=[limit]))
    second = batches.commit(outcome("e1"), intent("e3", holds=[limit]))
    assert (denied(first), denied(second)) == ([False, True], [False, False])
    assert isinstance(first[1], Denied)
    assert first[1].retry_after == 1
    batches.commit(outcome("e3"))
    assert store.usage() == {}


def test_a_second_attempt_does_not_forget_what_the_first_one_holds(
    store: MemoryLogStore, batches: Batches
) -> None:
    batches.commit(intent("e1", holds=[hold(CONCURRENT, cap=1)]))
    batches.commit(intent("e1", attempt=2))
    assert [(item.exchange, item.attempt) for item in store.open_exchanges()] == [("e1", 2)]
    batches.commit(outcome("e1"))
    assert store.usage() == {}


def test_a_hold_without_an_exchange_is_charged_all_the_same(store: MemoryLogStore, batches: Batches) -> None:
    plain = intent("e1", holds=[hold(cap=1)])
    batches.commit(replace(plain, opens=None))
    assert store.usage() == {("key-1", "requests", 60, 960): 1}


@pytest.mark.parametrize(
    ("settled", "charged"),
    [(30, 30), (150, 150), (0, 0), (None, 100)],
    ids=["less", "more", "nothing", "unknown"],
)
def test_tokens_are_settled_or_stay_as_they_were_held(
    store: MemoryLogStore, batches: Batches, settled: int | None, charged: int
) -> None:
    minute, day = hold(TOKENS, cap=1000, amount=100), hold(TOKENS, cap=9000, amount=100, window=86400)
    batches.commit(intent("e1", holds=[minute, day]), second=86400)
    settlements = [] if settled is None else [Settlement(unit=TOKENS, amount=settled)]
    batches.commit(outcome("e1", settlements=settlements), second=86520)
    windows = [("key-1", "tokens", 60, 86400), ("key-1", "tokens", 86400, 86400)]
    assert store.usage() == (dict.fromkeys(windows, charged) if charged else {})


def test_attempts_that_hold_the_same_tokens_are_settled_once(store: MemoryLogStore, batches: Batches) -> None:
    for attempt in (1, 2):
        batches.commit(intent("e1", attempt=attempt, holds=[hold(TOKENS, cap=1000, amount=100)]))
    batches.commit(outcome("e1", settlements=[Settlement(unit=TOKENS, amount=70)]))
    assert store.usage() == {("key-1", "tokens", 60, 960): 70}


def test_the_last_free_place_goes_to_one_of_a_batch(batches: Batches) -> None:
    batches.commit(*[intent(f"a{n}", holds=[hold(cap=10)]) for n in range(9)])
    rest = [intent(f"b{n}", holds=[hold(cap=10)]) for n in range(20)]
    assert denied(batches.commit(*rest)) == [False] + [True] * 19


def test_a_hold_without_a_denied_form_is_a_fault_and_nothing_is_written(
    store: MemoryLogStore, batches: Batches
) -> None:
    bare = replace(intent("e1", holds=[hold(cap=0)]), denied=None)
    with pytest.raises(RuntimeError, match="denied form"):
        batches.commit(record("system.stopped"), bare)
    assert types(store) == []


# Ends --------------------------------------------------------------------------------------
def test_an_exchange_ends_once(store: MemoryLogStore, batches: Batches) -> None:
    batches.commit(intent("e1"))
    gap = record("exchange.gap", exchange="e1", attempt=1)
    results = batches.commit(outcome("e1"), replace(gap, closes="e1"), record("system.stopped"))
    assert [type(result).__name__ for result in results] == ["Receipt", "Conflict", "Receipt"]
    assert isinstance(batches.commit(outcome("e1"))[0], Conflict)
    assert types(store) == ["exchange.intent", "exchange.outcome", "system.stopped"]


def test_an_exchange_that_was_never_opened_has_no_outcome(store: MemoryLogStore, batches: Batches) -> None:
    assert isinstance(batches.commit(outcome("e1"))[0], Conflict)
    assert types(store) == []


def test_intent_and_outcome_may_share_a_batch(store: MemoryLogStore, batches: Batches) -> None:
    batches.commit(intent("e1", holds=[hold(CONCURRENT, cap=1)]), outcome("e1"))
    assert (store.open_exchanges(), store.usage()) == ([], {})


# Once --------------------------------------------------------------------------------------
def test_a_record_that_is_sent_again_is_written_once(store: MemoryLogStore, batches: Batches) -> None:
    same = record("key.issued", once="outbox:1")
    first, repeated, other = batches.commit(same, same, record("key.revoked", once="outbox:2"))
    later = batches.commit(same, second=2000)[0]
    assert first == repeated == later
    assert receipt(other).index == 1
    assert types(store) == ["key.issued", "key.revoked"]


def test_receipts_say_where_the_entry_is(store: MemoryLogStore, batches: Batches) -> None:
    receipts = [receipt(result) for result in batches.commit(intent("e1"), outcome("e1"), second=3)]
    for item, leaf in zip(receipts, store.leaves("default"), strict=True):
        entry = json.loads(leaf.body)
        assert (item.index, item.time, item.id) == (leaf.index, entry["time"], entry["id"])
    assert all(before.time < after.time for before, after in pairwise(receipts))
