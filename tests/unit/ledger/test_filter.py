"""Admission: what fits, the largest that fits, the noise with which it would, and the order."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.privacy import Mechanism, Reservation, SpendState
from guard.errors import BudgetExhausted, ConfigurationError
from guard.ledger.filter import (
    admit,
    best_order,
    check_budget,
    largest_steps,
    room_in,
    share_of,
    spent_epsilon,
    spent_of,
    sufficient_noise,
)
from guard.ledger.renyi import ORDERS, cap_of, cost_of
from tests.unit.ledger.test_renyi import exact
from tests.unit.ledger.values import budget, mechanism, reservation

mechanisms = st.builds(
    mechanism,
    st.integers(1, 3000),
    noise_multiplier=st.floats(0.5, 20),
    sample_rate=st.sampled_from([1e-4, 0.01, 0.125, 1.0]),
)


def exact_cap(*, epsilon: float, delta: float, order: int) -> Decimal:
    """Canonne, Kamath, Steinke 2020, proposition 12, solved for the cost in 80 digits."""
    with localcontext() as context:
        context.prec = 80
        alpha, d = Decimal(order), Decimal(delta)
        return Decimal(epsilon) + (d.ln() + alpha.ln()) / (alpha - 1) - (1 - 1 / alpha).ln()


def fits(asked: Mechanism, room: float, order: int) -> bool:
    return cost_of(asked, order=order) <= room


def test_as_many_jobs_of_epsilon_one_fit_as_were_measured_for_the_filter() -> None:
    # Epsilon 10 at order 4 holds 48 to 52 jobs of q 0.01, T 1000, sigma 1.416 (sum of epsilons: 10).
    page = budget(epsilon=10.0, order=4)
    jobs = largest_steps(room_in(page, ()), mechanism(100_000), order=4) // 1000
    admit(page, [reservation()] * (jobs - 1), mechanism())
    with pytest.raises(BudgetExhausted):
        admit(page, [reservation()] * jobs, mechanism())
    assert 48 <= jobs <= 52


@given(st.lists(mechanisms, max_size=30), st.floats(0.5, 10), st.integers(2, 20))
def test_what_was_admitted_costs_no_more_than_the_cap_by_exact_sums(
    asked: list[Mechanism], epsilon: float, order: int
) -> None:
    page = budget(epsilon=epsilon, order=order)
    admitted: list[Reservation] = []
    for item in asked:
        try:
            admit(page, admitted, item)
        except BudgetExhausted:
            continue
        admitted.append(replace(reservation(), mechanism=item))
    costs = (
        item.mechanism.steps * exact(item.mechanism.sample_rate, item.mechanism.noise_multiplier, order)
        for item in admitted
    )
    if admitted:
        assert sum(costs, Decimal(0)) <= exact_cap(epsilon=epsilon, delta=1e-5, order=order)


@given(mechanisms, st.floats(0.001, 5), st.integers(2, 20))
def test_the_largest_job_fits_and_one_step_more_does_not(asked: Mechanism, room: float, order: int) -> None:
    largest = largest_steps(room, asked, order=order)
    assert fits(replace(asked, steps=largest), room, order)
    assert largest == asked.steps or not fits(replace(asked, steps=largest + 1), room, order)


@given(mechanisms, st.floats(0.001, 5), st.integers(2, 20))
def test_the_suggested_noise_suffices_and_a_little_less_does_not(
    asked: Mechanism, room: float, order: int
) -> None:
    noise = sufficient_noise(room, asked, order=order)
    assert noise is not None
    # As somebody types it who reads the message.
    typed = float(f"{noise:.4f}")
    assert fits(replace(asked, noise_multiplier=typed), room, order)
    less = replace(asked, noise_multiplier=max(noise - 1.5e-4, 0.0))
    assert not fits(less, room, order)


@pytest.mark.parametrize("room", [-1.0, -1e-12])
def test_nothing_fits_a_budget_that_was_lowered_under_what_is_spent(room: float) -> None:
    assert largest_steps(room, mechanism(), order=4) == 0
    assert sufficient_noise(room, mechanism(), order=4) is None


def test_even_a_job_that_costs_nothing_is_refused_under_a_lowered_budget() -> None:
    spent = [reservation()]
    lowered = budget(epsilon=cap_needed(0.99 * spent_of(budget(), spent)))
    with pytest.raises(BudgetExhausted):
        admit(lowered, spent, mechanism(sample_rate=0.0))


def cap_needed(cost: float) -> float:
    """Return the epsilon whose cap at order 4 is about ``cost``."""
    return cost - cap_of(epsilon=0.0, delta=1e-5, order=4)


def test_a_refusal_says_what_would_fit() -> None:
    page = budget(epsilon=3.0, order=7)
    with pytest.raises(BudgetExhausted) as refused:
        admit(page, (), mechanism(20_000))
    assert 0 < refused.value.largest < 20_000
    assert f": {refused.value.largest} fit, all of them with a noise multiplier of at least" in str(
        refused.value
    )
    admit(page, (), mechanism(refused.value.largest))


def test_a_refusal_without_any_room_names_no_remedy() -> None:
    page = budget(epsilon=cap_needed(spent_of(budget(), [reservation()])) - 1e-9)
    with pytest.raises(BudgetExhausted) as refused:
        admit(page, [reservation()], mechanism())
    assert refused.value.largest == 0
    assert "all of them" not in str(refused.value)


def test_without_noise_nothing_fits_any_budget() -> None:
    with pytest.raises(BudgetExhausted) as refused:
        admit(budget(epsilon=1e6), (), mechanism(noise_multiplier=0.0))
    assert refused.value.largest == 0


@pytest.mark.parametrize("asked", [mechanism(0), mechanism(-1), mechanism(sample_rate=2.0)])
def test_a_plan_that_cannot_be_is_no_question_of_budget(asked: Mechanism) -> None:
    with pytest.raises(ValueError, match=r"plan|probability"):
        admit(budget(), (), asked)


@pytest.mark.parametrize(
    ("state", "steps"),
    [
        (SpendState.RESERVED, 1000),
        (SpendState.RUNNING, 1000),
        (SpendState.SETTLED, 40),
        (SpendState.BURNT, 1000),
        (SpendState.RELEASED, 0),
    ],
)
def test_each_state_charges_what_the_design_says(state: SpendState, steps: int) -> None:
    booked = reservation(state, written_ahead=40)
    assert booked.charged.steps == steps
    assert spent_of(budget(), [booked]) == cost_of(mechanism(steps), order=4)


def test_the_report_keeps_the_whole_plan_of_a_private_stop() -> None:
    early = replace(reservation(SpendState.SETTLED, written_ahead=40), private_stop=True)
    assert early.charged.steps == 40
    assert early.reported.steps == 1000


@pytest.mark.parametrize(
    ("epsilon", "delta", "order"), [(3, 1e-5, 8), (8, 1e-5, 4), (10, 1e-5, 3), (20, 1e-5, 3), (1, 1e-5, 18)]
)
def test_the_order_suits_the_budget(epsilon: float, delta: float, order: int) -> None:
    assert best_order(epsilon=epsilon, delta=delta) == order


@given(st.floats(0.05, 50), st.floats(1e-10, 1e-3), st.integers(2, 256))
def test_no_order_admits_more_steps_of_plain_gaussian_noise(epsilon: float, delta: float, order: int) -> None:
    def steps(at: int) -> float:
        noise = cost_of(mechanism(1, noise_multiplier=50.0, sample_rate=1.0), order=at)
        return cap_of(epsilon=epsilon, delta=delta, order=at) / noise

    assert steps(best_order(epsilon=epsilon, delta=delta)) >= steps(order) * (1 - 1e-9)


@given(st.floats(0.1, 50), st.floats(1e-10, 1e-3))
def test_a_budget_at_the_best_order_has_room(epsilon: float, delta: float) -> None:
    check_budget(budget(epsilon=epsilon, delta=delta, order=best_order(epsilon=epsilon, delta=delta)))


@pytest.mark.parametrize(
    ("epsilon", "delta", "order", "says"),
    [
        (0.0, 1e-5, 4, "epsilon"),
        (-1.0, 1e-5, 4, "epsilon"),
        (math.nan, 1e-5, 4, "epsilon"),
        (math.inf, 1e-5, 4, "epsilon"),
        (1.0, 0.0, 4, "delta"),
        (1.0, 1.0, 4, "delta"),
        (1.0, math.nan, 4, "delta"),
        (1.0, 1e-5, 1, "order"),
        (1.0, 1e-5, ORDERS.stop, "order"),
        (1.0, 1e-5, 4, "try order 18"),
        (0.001, 1e-5, 4, "at any order"),
    ],
)
def test_a_budget_that_cannot_be_says_why(epsilon: float, delta: float, order: int, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        check_budget(budget(epsilon=epsilon, delta=delta, order=order))


def test_shares_and_epsilon_of_what_is_spent() -> None:
    page, booked = budget(), [reservation(), reservation(SpendState.RELEASED)]
    assert share_of(page, [item.charged for item in booked]) == pytest.approx(
        1 - room_in(page, booked) / room_in(page, ())
    )
    assert spent_epsilon(page, ()) == 0
    assert 0 < spent_epsilon(page, booked) < page.epsilon
    full = [
        replace(
            reservation(), mechanism=mechanism(largest_steps(room_in(page, ()), mechanism(10**6), order=4))
        )
    ]
    assert spent_epsilon(page, full) == pytest.approx(page.epsilon, rel=1e-4)
