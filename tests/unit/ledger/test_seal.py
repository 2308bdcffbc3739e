"""Seals: every figure counts, and so do which rows there are and which key it was."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Reservation, SpendState, UnitKind
from guard.ledger.seal import book_seal, budget_seal, fits, reservation_seal
from tests.unit.ledger.values import budget, mechanism, reservation

KEY = bytes(32)

RESERVATIONS: dict[str, Reservation] = {
    "id": replace(reservation(), id="other"),
    "root": replace(reservation(), root="other"),
    "job": replace(reservation(), job="other"),
    "state": replace(reservation(), state=SpendState.RELEASED),
    "written_ahead": replace(reservation(), written_ahead=1),
    "created": replace(reservation(), created=2),
    "private_stop": replace(reservation(), private_stop=True),
    "mechanism": replace(reservation(), mechanism=mechanism(999)),
}
MECHANISMS: dict[str, Mechanism] = {
    "sample_rate": mechanism(sample_rate=0.010000000000000002),
    "noise_multiplier": mechanism(noise_multiplier=1.4160000000000001),
    "steps": mechanism(1001),
}
BUDGETS: dict[str, Budget] = {
    "root": budget(root="other"),
    "epsilon": budget(epsilon=10.000000000000002),
    "delta": budget(delta=1.0000000000000002e-05),
    "order": budget(order=5),
    "unit": budget(unit=PrivacyUnit(kind=UnitKind.EXAMPLE, column="c")),
}


@pytest.mark.parametrize("name", [field.name for field in fields(Reservation)])
def test_each_field_of_a_reservation_is_sealed(name: str) -> None:
    assert reservation_seal(KEY, RESERVATIONS[name]) != reservation_seal(KEY, reservation())


@pytest.mark.parametrize("name", [field.name for field in fields(Mechanism)])
def test_each_field_of_a_mechanism_is_sealed(name: str) -> None:
    changed = replace(reservation(), mechanism=MECHANISMS[name])
    assert reservation_seal(KEY, changed) != reservation_seal(KEY, reservation())


@pytest.mark.parametrize("name", [field.name for field in fields(Budget) if field.name != "relation"])
def test_each_field_of_a_budget_is_sealed(name: str) -> None:
    assert budget_seal(KEY, BUDGETS[name], ()) != budget_seal(KEY, budget(), ())


def test_there_is_but_one_relation_so_far() -> None:
    # When there are two, the test above must cover it.
    assert len(type(budget().relation)) == 1


@pytest.mark.parametrize(
    "other", [(), (b"a" * 32,), (b"b" * 32, b"a" * 32), (b"a" * 32, b"b" * 32, b"c" * 32)]
)
def test_which_rows_there_are_is_sealed(other: tuple[bytes, ...]) -> None:
    rows = (b"a" * 32, b"b" * 32)
    assert budget_seal(KEY, budget(), rows) != budget_seal(KEY, budget(), other)
    assert book_seal(KEY, changes=1, budgets=rows) != book_seal(KEY, changes=1, budgets=other)


def test_the_count_of_changes_and_the_key_are_sealed() -> None:
    seal = book_seal(KEY, changes=1, budgets=())
    assert not fits(seal, book_seal(KEY, changes=2, budgets=()))
    assert not fits(seal, book_seal(b"\x01" * 32, changes=1, budgets=()))
    assert fits(seal, book_seal(KEY, changes=1, budgets=()))


def test_whole_numbers_seal_as_their_decimals_do() -> None:
    whole = replace(reservation(), mechanism=mechanism(sample_rate=1, noise_multiplier=2))
    decimal = replace(reservation(), mechanism=mechanism(sample_rate=1.0, noise_multiplier=2.0))
    assert reservation_seal(KEY, whole) == reservation_seal(KEY, decimal)
