"""Every verb in every state: allowed where the design's table says so, and refused elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.privacy import PrivacyUnit, Reservation, SpendState, UnitKind
from guard.errors import LedgerConflict
from guard.ledger.transitions import (
    advance,
    burn,
    check_change,
    check_unit,
    release,
    reserved,
    same,
    settle,
    start,
)
from tests.unit.ledger.values import EXAMPLE, ROOT, budget, mechanism, reservation

USER = PrivacyUnit(kind=UnitKind.USER, column="customer")

VERBS: dict[str, Callable[[Reservation], Reservation]] = {
    "start": start,
    "advance": lambda held: advance(held, to=50),
    "settle": lambda held: settle(held, private_stop=False),
    "release": release,
    "burn": burn,
}
ALLOWED = {
    ("start", SpendState.RESERVED): SpendState.RUNNING,
    ("release", SpendState.RESERVED): SpendState.RELEASED,
    ("advance", SpendState.RUNNING): SpendState.RUNNING,
    ("settle", SpendState.RUNNING): SpendState.SETTLED,
    ("burn", SpendState.RUNNING): SpendState.BURNT,
}


@pytest.mark.parametrize(("verb", "state"), ALLOWED, ids=[f"{verb} {state}" for verb, state in ALLOWED])
def test_what_the_table_allows_happens(verb: str, state: SpendState) -> None:
    held = reservation(state)
    moved = VERBS[verb](held)
    assert moved.state is ALLOWED[verb, state]
    assert replace(moved, state=state, written_ahead=0) == held, "nothing else changes"


@pytest.mark.parametrize(
    ("verb", "state"), [case for case in product(VERBS, SpendState) if case not in ALLOWED]
)
def test_everything_else_is_a_conflict(verb: str, state: SpendState) -> None:
    with pytest.raises(LedgerConflict, match=f"is {state}"):
        VERBS[verb](reservation(state))


def test_a_new_reservation_has_run_nothing() -> None:
    made = reserved(reservation_id="r", root=ROOT, job="j", mechanism=mechanism(), now=7)
    assert (made.state, made.written_ahead, made.created) == (SpendState.RESERVED, 0, 7)
    assert made.charged == mechanism()


@pytest.mark.parametrize("to", [-1, 0, 39, 40, 1001])
def test_steps_are_written_ahead_upwards_and_within_the_plan(to: int) -> None:
    with pytest.raises(LedgerConflict, match="40 of 1000"):
        advance(reservation(SpendState.RUNNING, written_ahead=40), to=to)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=10))
def test_settling_charges_exactly_what_was_written_ahead(leaps: list[int]) -> None:
    held = reservation(SpendState.RUNNING)
    for leap in leaps:
        before = held
        try:
            held = advance(held, to=held.written_ahead + leap)
        except LedgerConflict:
            assert before.written_ahead + leap > before.mechanism.steps
    assert settle(held, private_stop=False).charged.steps == held.written_ahead <= held.mechanism.steps


def test_a_private_stop_is_kept() -> None:
    assert settle(reservation(SpendState.RUNNING), private_stop=True).private_stop


def test_whoever_holds_an_old_value_is_told_so() -> None:
    booked = reservation(SpendState.RUNNING, written_ahead=40)
    same(replace(booked), booked)
    with pytest.raises(LedgerConflict, match="running with 40"):
        same(replace(booked, written_ahead=20), booked)


@pytest.mark.parametrize(
    "new",
    [budget(order=5), budget(unit=USER)],
    ids=["order", "unit"],
)
def test_frozen_parts_of_a_budget_change_only_before_the_first_reservation(new: object) -> None:
    assert isinstance(new, type(budget()))
    check_change(budget(), new, ())
    with pytest.raises(LedgerConflict, match="frozen"):
        check_change(budget(), new, [reservation()])


def test_epsilon_and_delta_may_change_under_reservations() -> None:
    check_change(budget(), budget(epsilon=20.0, delta=1e-6), [reservation()])


@pytest.mark.parametrize("unit", [USER, replace(USER, column="other")], ids=["kind", "column"])
def test_a_job_that_protects_another_unit_is_refused(unit: PrivacyUnit) -> None:
    check_unit(budget(), EXAMPLE)
    check_unit(budget(unit=USER), USER)
    with pytest.raises(LedgerConflict, match="protects"):
        check_unit(budget(unit=replace(USER, column="third")) if unit.column == "other" else budget(), unit)
