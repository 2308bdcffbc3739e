"""training.ledger with 1/50 of its reservations and kills, and its judge on books with a fault in them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.training.ledger import BUDGET, KILLS, RESERVATIONS, above_cap, compete, lost
from guard.domain.event import Record
from guard.domain.privacy import Reservation, SpendState
from guard.ledger.filter import largest_steps, room_in
from guard.ledger.records import refusal_record, reservation_record
from tests.unit.ledger.values import mechanism, reservation

FULL = largest_steps(room_in(BUDGET, ()), mechanism(10**6), order=BUDGET.order)


def test_racing_processes_never_overspend_and_nothing_they_were_told_is_lost(seed: int) -> None:
    outcome = compete(processes=8, reservations=RESERVATIONS // 50, kills=KILLS // 50, seed=seed, say=print)
    counts = {measured.bar: measured.value for measured in outcome.measured}
    assert counts.pop("reservations") >= 16
    assert counts == {"above": 0, "lost": 0, "problems": 0}


def events(*stories: tuple[SpendState, int]) -> list[Record]:
    """Return events of reservations of ``steps`` that go to a state, one story after the other."""
    made = []
    for number, (state, steps) in enumerate(stories):
        item = reservation(steps=steps, reservation_id=f"r{number}")
        made += [
            reservation_record("t", item),
            reservation_record("t", replace(item, state=SpendState.RUNNING)),
        ]
        if state is not SpendState.RUNNING:
            ended = replace(item, state=state, written_ahead=steps // 4)
            made.append(reservation_record("t", ended, reason="test"))
    return made


@pytest.mark.parametrize(
    ("stories", "over"),
    [
        ([(SpendState.RUNNING, FULL)], 0),
        ([(SpendState.SETTLED, FULL), (SpendState.RUNNING, FULL // 2)], 0),
        ([(SpendState.RELEASED, FULL), (SpendState.RUNNING, FULL)], 0),
        ([(SpendState.RUNNING, FULL + 1)], 1),
        ([(SpendState.RUNNING, FULL), (SpendState.SETTLED, 40)], 2),
        ([(SpendState.BURNT, FULL // 2), (SpendState.RUNNING, FULL // 2), (SpendState.RUNNING, 2)], 1),
    ],
    ids=[
        "just full",
        "a quarter stays",
        "all comes back",
        "one step too many",
        "over for a while and after it",
        "what is burnt stays",
    ],
)
def test_the_judge_sees_every_moment_above_the_cap(stories: list[tuple[SpendState, int]], over: int) -> None:
    refused = refusal_record("t", reservation(), largest=0)
    assert above_cap([*events(*stories), refused], BUDGET)[0] == over


RUNNING = reservation(SpendState.RUNNING, written_ahead=40)
SETTLED = replace(RUNNING, state=SpendState.SETTLED)


@pytest.mark.parametrize(
    ("told", "booked"),
    [
        (reservation(), None),
        (RUNNING, reservation()),
        (RUNNING, replace(RUNNING, written_ahead=20)),
        (SETTLED, RUNNING),
        (SETTLED, replace(SETTLED, written_ahead=60)),
        (RUNNING, replace(RUNNING, mechanism=mechanism(60))),
    ],
    ids=["absent", "never started", "steps forgotten", "still open", "settled anew", "another plan"],
)
def test_the_judge_sees_a_change_that_the_book_forgot(told: Reservation, booked: Reservation | None) -> None:
    assert lost([told], {} if booked is None else {booked.id: booked}) == 1


@pytest.mark.parametrize(
    ("told", "booked"),
    [
        (reservation(), reservation()),
        (reservation(), RUNNING),
        (reservation(), reservation(SpendState.RELEASED)),
        (RUNNING, replace(RUNNING, written_ahead=60)),
        (RUNNING, replace(RUNNING, state=SpendState.BURNT, written_ahead=60)),
        (SETTLED, SETTLED),
    ],
)
def test_a_book_that_has_moved_on_has_lost_nothing(told: Reservation, booked: Reservation) -> None:
    assert lost([told], {booked.id: booked}) == 0
