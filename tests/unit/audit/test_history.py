"""The records of one exchange, with what can still be opened of them."""

from __future__ import annotations

import pytest

from guard.audit.history import exchange_records
from guard.domain.event import EVENT_TYPES
from tests.fakes.batches import Batches
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.records import intent, outcome


@pytest.fixture
def store() -> MemoryLogStore:
    return MemoryLogStore()


@pytest.fixture
def batches(store: MemoryLogStore) -> Batches:
    return Batches(store)


def test_the_records_of_an_exchange_come_in_order_with_their_values(
    store: MemoryLogStore, batches: Batches
) -> None:
    batches.commit(intent("e1", sealed={"subject": "Maria"}), intent("e2"), outcome("e1"))
    told = exchange_records(store, batches.sealer, "e1")
    assert [(record.log, record.index, record.leaf["type"]) for record in told] == [
        ("default", 0, "exchange.intent"),
        ("default", 2, "exchange.outcome"),
    ]
    assert told[0].values["subject"] == "Maria"
    assert set(told[0].values) == EVENT_TYPES["exchange.intent"].sealed


def test_values_whose_key_is_gone_are_left_out(store: MemoryLogStore, batches: Batches) -> None:
    batches.commit(intent("e1"))
    batches.sealer.destroyed.add("clear:1")
    (told,) = exchange_records(store, batches.sealer, "e1")
    assert told.values == {}
    assert told.leaf["exchange"] == "e1"


def test_an_unknown_exchange_has_no_records(store: MemoryLogStore, batches: Batches) -> None:
    assert exchange_records(store, batches.sealer, "nobody") == []
