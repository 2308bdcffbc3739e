"""Random batches against a slow obvious twin: limits exact, ends once, time rising, tree right.

The twin keeps every record ever and counts from the start each time.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guard.audit import verify
from guard.audit.merkle import tree_root
from guard.domain.event import Denied, Hold, HoldUnit, Receipt, Record
from guard.errors import Conflict
from tests.fakes.batches import Batches
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.records import hold, intent, outcome

REQUESTS, CONCURRENT = HoldUnit.REQUESTS, HoldUnit.CONCURRENT
EXCHANGES = [f"e{number}" for number in range(6)]
KEYS = ["key-1", "key-2"]


@dataclass
class Twin:
    """What was taken, as a list, and which exchanges are open with which key."""

    taken: list[tuple[str, int]] = field(default_factory=list)
    """Key and second of each request."""
    open: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def expects(self, item: Record, key: str, second: int) -> str:
        """Return what must come of a record, and take note of it."""
        exchange = str(item.fields["exchange"])
        if item.type == "exchange.outcome":
            if exchange not in self.open:
                return "Conflict"
            del self.open[exchange]
            return "Receipt"
        minute = sum(k == key and when // 60 == second // 60 for k, when in self.taken)
        running = sum(k == key for k in self.open.values())
        if minute + 1 > 4 or running + 1 > 2:
            return "Denied"
        self.taken.append((key, second))
        self.open[exchange] = key
        return "Receipt"


STEPS = st.lists(
    st.tuples(
        st.integers(0, 40),  # seconds since the last batch
        st.lists(st.tuples(st.sampled_from(EXCHANGES), st.booleans(), st.sampled_from(KEYS)), max_size=6),
    ),
    max_size=12,
)


def holds(key: str) -> list[Hold]:
    """Return four requests a minute and two at a time."""
    return [hold(REQUESTS, cap=4, key=key), hold(CONCURRENT, cap=2, key=key)]


@given(STEPS)
def test_batches_do_what_the_twin_says(steps: list[tuple[int, list[tuple[str, bool, str]]]]) -> None:
    store, twin, now = MemoryLogStore(), Twin(), 1200
    batches = Batches(store)
    serial = Counter[str]()
    for pause, wishes in steps:
        now += pause
        records, expected = [], []
        for name, end, key in wishes:
            exchange = f"{name}.{serial[name]}"
            if end:
                serial[name] += exchange in twin.open
            elif exchange in twin.open:
                continue
            item = outcome(exchange) if end else intent(exchange, holds=holds(key))
            records.append(item)
            expected.append(twin.expects(item, key, now))
            serial[name] += expected[-1] == "Denied"  # refused is an end too
        results = batches.commit(*records, second=now)
        assert [type(result).__name__ for result in results] == expected
    assert {exchange.exchange for exchange in store.open_exchanges()} == set(twin.open)
    running = Counter(twin.open.values())
    minutes = Counter((key, when - when % 60) for key, when in twin.taken)
    assert store.usage() == {
        **{(key, "concurrent", 0, 0): amount for key, amount in running.items()},
        **{(key, "requests", 60, start): amount for (key, start), amount in minutes.items()},
    }
    leaves = list(store.leaves("default"))
    assert all(before.time < after.time for before, after in pairwise(leaves))
    check = verify.LogCheck("default")
    for leaf in leaves:
        check.add(leaf.body)
    assert verify.root_of(store.head("default").frontier) == tree_root([leaf.hash for leaf in leaves])
    assert check.open == set(twin.open)


@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=30),
    st.lists(st.integers(1, 5), min_size=30, max_size=30),
)
def test_time_rises_however_the_clock_jumps(clock: list[int], sizes: list[int]) -> None:
    store = MemoryLogStore()
    batches = Batches(store)
    names = iter(range(10_000))
    for moment, size in zip(clock, sizes, strict=False):
        results = batches.commit(*[intent(f"e{next(names)}") for _ in range(size)], second=moment / 1e6)
        times = [result.time for result in results if isinstance(result, Receipt)]
        assert times[0] >= moment
    times = [json.loads(leaf.body)["time"] for leaf in store.leaves("default")]
    assert all(before < after for before, after in pairwise(times))
    assert [leaf.time for leaf in store.leaves("default")] == times


def test_the_twin_tells_all_three_apart() -> None:
    twin = Twin()
    assert twin.expects(outcome("e1"), "k", 0) == Conflict.__name__
    assert [twin.expects(intent(f"e{n}"), "k", 0) for n in range(3)] == [
        Receipt.__name__,
        Receipt.__name__,
        Denied.__name__,
    ]
