"""The cost of sampled Gaussian noise: against two libraries, against exact sums, and its laws."""

from __future__ import annotations

import math
from decimal import MAX_EMAX, MIN_EMIN, Decimal, localcontext

import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
from dp_accounting.rdp import RdpAccountant
from hypothesis import given
from hypothesis import strategies as st
from opacus.accountants.analysis.rdp import compute_rdp

from guard.ledger.renyi import ORDERS, cap_of, cost_of, epsilon_of, step_cost
from tests.unit.ledger.values import mechanism

rates = st.floats(1e-9, 1.0)
noises = st.floats(0.05, 1e4)
orders = st.integers(2, 64)
deltas = st.floats(1e-12, 0.1)

GRID = [
    (rate, noise, order)
    for rate in (1e-6, 1e-3, 0.01, 0.2, 0.9, 1.0)
    for noise in (0.3, 0.8, 1.416, 5.0, 40.0)
    for order in (2, 3, 8, 32, 64)
]


def exact(rate: float, noise: float, order: int) -> Decimal:
    """The definition, summed in 80 digits: Mironov, Talwar, Zhang 2019, equation (5)."""
    with localcontext() as context:
        context.prec, context.Emax, context.Emin = 80, MAX_EMAX, MIN_EMIN
        q, sigma = Decimal(rate), Decimal(noise)
        moment = sum(
            (
                math.comb(order, k)
                * ((1 - q) ** (order - k) if k < order else 1)
                * q**k
                * (Decimal(k * k - k) / (2 * sigma * sigma)).exp()
                for k in range(order + 1)
            ),
            Decimal(0),
        )
        return moment.ln() / (order - 1)


@pytest.mark.parametrize(("rate", "noise", "order"), GRID)
def test_costs_are_those_of_opacus(rate: float, noise: float, order: int) -> None:
    theirs = float(compute_rdp(q=rate, noise_multiplier=noise, steps=1, orders=[float(order)])[0])
    # Their sum of logarithms near 0 is off by some 1e-15.
    ours = step_cost(sample_rate=rate, noise_multiplier=noise, order=order)
    assert ours == pytest.approx(theirs, rel=1e-9, abs=2e-14)


# Where next to nothing is spent they take another bound, which gives 0.
@pytest.mark.parametrize(("rate", "noise", "order"), [case for case in GRID if case[0] > 1e-6])
def test_costs_and_epsilons_are_those_of_dp_accounting(rate: float, noise: float, order: int) -> None:
    accountant = RdpAccountant(orders=[order])
    accountant.compose(PoissonSampledDpEvent(rate, GaussianDpEvent(noise)), 100)
    cost = cost_of(mechanism(100, noise_multiplier=noise, sample_rate=rate), order=order)
    epsilon = epsilon_of(cost, delta=1e-5, order=order)
    assert epsilon == pytest.approx(float(accountant.get_epsilon(1e-5)), rel=1e-9, abs=1e-11)


@pytest.mark.parametrize(
    ("rate", "noise", "steps", "order", "epsilon"),
    [
        # Opacus 1.6.0, RDPAccountant at its default orders, delta 1e-5: where its best order is an
        # integer or the optimum is flat, the best integer order gives the same to 2e-3.
        (256 / 60000, 1.1, 14040, 8, 2.5944),
        (4096 / 60000, 4.0, 600, 11, 1.8459),
        (8192 / 60000, 10.0, 293, 18, 0.9537),
        (1, 5.0, 1, 22, 0.7945),
        (0.02, 4.0, 500, 35, 0.4410),
    ],
)
def test_published_epsilons_come_out(
    rate: float, noise: float, steps: int, order: int, epsilon: float
) -> None:
    cost = cost_of(mechanism(steps, noise_multiplier=noise, sample_rate=rate), order=order)
    assert epsilon_of(cost, delta=1e-5, order=order) == pytest.approx(epsilon, abs=2e-3)


@given(rates, noises, orders)
def test_a_step_never_costs_less_than_the_exact_sum_and_hardly_more(
    rate: float, noise: float, order: int
) -> None:
    truth = exact(rate, noise, order)
    cost = Decimal(step_cost(sample_rate=rate, noise_multiplier=noise, order=order))
    # The least that is added covers the rounding of sums over a whole ledger.
    assert truth * (1 + Decimal("5e-13")) <= cost <= truth * (1 + Decimal(2) ** -30) + Decimal("1e-323")


@pytest.mark.parametrize(
    ("rate", "noise", "order"),
    [
        (1e-9, 1.0, 4),
        (1e-12, 0.5, 2),
        (1e-7, 1e6, 64),
        (0.5, 1e150, 8),
        (1 - 2**-53, 1.0, 16),
        (0.01, 0.02, 512),
        (1.0, 1e-3, 1024),
        # Logarithms of some 700,000 cancel here, so that their rounding is seen.
        (1e-300, 0.86051, 1024),
    ],
)
def test_extremes_stay_on_the_safe_side(rate: float, noise: float, order: int) -> None:
    cost = step_cost(sample_rate=rate, noise_multiplier=noise, order=order)
    assert 0 < cost < math.inf
    assert Decimal(cost) >= exact(rate, noise, order)


def test_without_sampling_it_is_the_gaussian_mechanism() -> None:
    assert step_cost(sample_rate=1, noise_multiplier=2.0, order=6) == pytest.approx(6 / 8, rel=1e-11)


@pytest.mark.parametrize(
    ("rate", "noise", "steps", "cost"),
    [
        (0.0, 1.0, 1000, 0.0),
        (0.0, 0.0, 1000, 0.0),
        (0.5, 0.0, 1, math.inf),
        (0.5, 0.0, 0, 0.0),
        (0.5, 1e-200, 1, math.inf),
        (1.0, 1e-200, 1, math.inf),
        (0.5, 1.0, 0, 0.0),
    ],
    ids=[
        "nobody is sampled",
        "nobody is sampled, no noise",
        "no noise",
        "no noise, no step",
        "hardly any noise",
        "hardly any noise, everybody sampled",
        "no step",
    ],
)
def test_edges(rate: float, noise: float, steps: int, cost: float) -> None:
    assert cost_of(mechanism(steps, noise_multiplier=noise, sample_rate=rate), order=8) == cost


def test_a_cost_beyond_every_float_is_infinite() -> None:
    assert cost_of(mechanism(2**53, noise_multiplier=1e-152), order=1024) == math.inf


@pytest.mark.parametrize(
    ("rate", "noise", "steps", "order"),
    [
        (-0.1, 1.0, 1, 4),
        (1.1, 1.0, 1, 4),
        (math.nan, 1.0, 1, 4),
        (0.1, -1.0, 1, 4),
        (0.1, math.nan, 1, 4),
        (0.1, math.inf, 1, 4),
        (0.1, 1.0, -1, 4),
        (0.1, 1.0, 1, 1),
        (0.1, 1.0, 1, ORDERS.stop),
    ],
)
def test_what_cannot_be_is_an_error(rate: float, noise: float, steps: int, order: int) -> None:
    with pytest.raises(ValueError, match=r"a (mechanism|sample rate|noise multiplier)|an order"):
        cost_of(mechanism(steps, noise_multiplier=noise, sample_rate=rate), order=order)


@given(rates, rates, noises, orders)
def test_more_sampling_costs_more(one: float, other: float, noise: float, order: int) -> None:
    low, high = sorted((one, other))
    # Neighbouring rates may be rounded up by different amounts.
    cheap = step_cost(sample_rate=low, noise_multiplier=noise, order=order)
    assert cheap <= step_cost(sample_rate=high, noise_multiplier=noise, order=order) * (1 + 1e-11) + 5e-324


@given(rates, noises, noises, orders)
def test_more_noise_costs_less(rate: float, one: float, other: float, order: int) -> None:
    low, high = sorted((one, other))
    cheap = step_cost(sample_rate=rate, noise_multiplier=high, order=order)
    assert cheap <= step_cost(sample_rate=rate, noise_multiplier=low, order=order) * (1 + 1e-11) + 5e-324


@given(rates, noises, orders)
def test_a_higher_order_costs_more(rate: float, noise: float, order: int) -> None:
    lower = step_cost(sample_rate=rate, noise_multiplier=noise, order=order)
    assert lower <= step_cost(sample_rate=rate, noise_multiplier=noise, order=order + 1) * (1 + 1e-11)


@given(rates, noises, orders, st.integers(0, 10**6), st.integers(0, 10**6))
def test_steps_add_up(rate: float, noise: float, order: int, one: int, other: int) -> None:
    def cost(steps: int) -> float:
        return cost_of(mechanism(steps, noise_multiplier=noise, sample_rate=rate), order=order)

    assert cost(one) + cost(other) == pytest.approx(cost(one + other), rel=1e-12)
    assert cost(max(one, other)) >= cost(min(one, other)) >= 0


@given(st.floats(0.01, 100), deltas, orders)
def test_the_cap_is_the_highest_cost_with_that_epsilon(epsilon: float, delta: float, order: int) -> None:
    cap = cap_of(epsilon=epsilon, delta=delta, order=order)
    if cap > 0:
        back = epsilon_of(cap, delta=delta, order=order)
        assert back == pytest.approx(epsilon, rel=1e-9)
        assert back <= epsilon * (1 + 4e-12), "rounded twice to the safe side"


@given(st.floats(0, 100), st.floats(0, 100), deltas, orders)
def test_epsilon_grows_with_the_cost(one: float, other: float, delta: float, order: int) -> None:
    low, high = sorted((one, other))
    assert (
        0 <= epsilon_of(low, delta=delta, order=order) <= epsilon_of(high, delta=delta, order=order) + 1e-12
    )
