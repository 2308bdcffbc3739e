"""The types of records: what DESIGN §5 says of a leaf holds for each of them."""

from __future__ import annotations

import pytest

from guard.domain.event import EVENT_TYPES, HoldUnit

OF_EVERY_LEAF = {"boot", "id", "sealed", "tenant", "time", "type", "v"}
PERSONAL = {"address", "body", "counts", "features", "key", "principal", "subject"}
EXCHANGE = [name for name in EVENT_TYPES if name.startswith("exchange.")]


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_a_type_names_each_thing_once_and_nothing_that_every_leaf_has(name: str) -> None:
    kind = EVENT_TYPES[name]
    assert kind.name == name
    assert not kind.fields & kind.sealed
    assert not (kind.fields | kind.sealed) & OF_EVERY_LEAF
    assert len(name) <= 40, "the column of the type"


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_what_can_be_personal_is_sealed(name: str) -> None:
    assert not EVENT_TYPES[name].fields & PERSONAL


@pytest.mark.parametrize("name", EXCHANGE)
def test_every_record_of_an_exchange_says_which_and_which_attempt(name: str) -> None:
    assert {"exchange", "attempt"} <= EVENT_TYPES[name].fields


def test_an_intent_has_the_members_of_the_leaf_that_the_design_prints() -> None:
    kind = EVENT_TYPES["exchange.intent"]
    printed = (
        "application attempt decision entities exchange model policy provider purpose region route rules size"
    )
    assert set(printed.split()) <= kind.fields
    assert {"body", "counts", "features", "principal", "subject"} <= kind.sealed


def test_types_cannot_be_changed_at_run_time() -> None:
    assert not hasattr(EVENT_TYPES, "__setitem__")


def test_units_are_the_words_that_are_stored() -> None:
    assert [unit.value for unit in HoldUnit] == ["requests", "concurrent", "tokens", "money"]
