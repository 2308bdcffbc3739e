"""What the log gets: exactly the fields of the type, numbers with a fraction as text."""

from __future__ import annotations

import pytest

from guard.domain.canonical import canonical
from guard.domain.event import EVENT_TYPES, Record
from guard.domain.privacy import SpendState
from guard.ledger.records import budget_record, decimal, mechanism_fields, refusal_record, reservation_record
from tests.unit.ledger.values import budget, mechanism, reservation

RECORDS: dict[str, Record] = {
    "budget.set": budget_record("acme", budget(), principal="local:7"),
    "budget.refused": refusal_record("acme", reservation(), largest=3),
    **{
        f"budget.{state}": reservation_record("acme", reservation(state, written_ahead=5), reason="asked")
        for state in SpendState
    },
}


def test_every_type_of_the_budget_has_its_record() -> None:
    assert RECORDS.keys() == {name for name in EVENT_TYPES if name.startswith("budget.")}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_has_the_fields_of_its_type(name: str) -> None:
    record = RECORDS[name]
    assert (record.type, record.tenant) == (name, "acme")
    assert record.fields.keys() == EVENT_TYPES[name].fields
    assert record.sealed.keys() <= EVENT_TYPES[name].sealed
    assert canonical(dict(record.fields)), "no floats"


def test_who_set_a_budget_is_sealed() -> None:
    assert RECORDS["budget.set"].sealed == {"principal": "local:7"}


def test_numbers_are_written_so_that_they_read_back_the_same() -> None:
    plain = mechanism_fields(mechanism(noise_multiplier=0.1 + 0.2))
    assert plain == {"noise_multiplier": "0.30000000000000004", "sample_rate": "0.01", "steps": 1000}
    assert decimal(3) == decimal(3.0) == "3.0"


def test_a_settled_record_says_what_ran() -> None:
    assert RECORDS["budget.settled"].fields["executed"] == 5
