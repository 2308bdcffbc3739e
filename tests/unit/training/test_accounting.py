"""Both accountants against measured values and each other, and the noise that is solved for.

The values are those that dp-accounting 0.6.0 and Opacus 1.6.0 gave when they were chosen
(δ = 1e-5, Poisson sampling, add/remove): PRV with an error of 0.01, PLD at 1e-4.
"""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.training.accounting import USUAL
from guard.domain.privacy import Mechanism
from guard.ledger.renyi import cost_of, epsilon_of
from guard.training import accounting
from guard.training.accounting import COARSE, epsilon_pld, epsilon_prv, solve_noise

DELTA = 1e-5
PRV_PLD = (
    (1.6709, 1.6608),
    (2.3897, 2.3796),
    (1.7015, 1.6914),
    (0.8808, 0.8707),
    (6.4868, 6.4762),
    (3.1513, 3.1410),
    (6.1980, 6.1877),
    (1.4355, 1.4253),
    (2.3476, 2.3374),
    (2.6608, 2.6507),
    (0.7356, 0.7255),
    (2.0032, 1.9931),
    (0.4094, 0.3994),
)
JOB = Mechanism(sample_rate=0.01, noise_multiplier=1.416, steps=1000)
"""About epsilon 1."""


def named(setting: Mechanism) -> str:
    return f"q={setting.sample_rate:.3g} noise={setting.noise_multiplier} steps={setting.steps}"


def job(sample_rate: float, noise_multiplier: float, steps: int) -> Mechanism:
    return Mechanism(sample_rate=sample_rate, noise_multiplier=noise_multiplier, steps=steps)


@pytest.mark.parametrize(
    ("setting", "prv", "pld"),
    [(setting, *figures) for setting, figures in zip(USUAL, PRV_PLD, strict=True)],
    ids=[named(setting) for setting in USUAL],
)
def test_published_epsilons_come_out(setting: Mechanism, prv: float, pld: float) -> None:
    assert epsilon_pld([setting], delta=DELTA) == pytest.approx(pld, abs=2e-3)
    assert epsilon_prv([setting], delta=DELTA, error=0.01) == pytest.approx(prv, abs=2e-3)


@pytest.mark.parametrize("setting", USUAL, ids=named)
def test_composed_numerically_is_below_the_bound_of_the_ledger(setting: Mechanism) -> None:
    bound = min(epsilon_of(cost_of(setting, order=order), delta=DELTA, order=order) for order in range(2, 65))
    assert epsilon_pld([setting], delta=DELTA) <= bound


@pytest.mark.parametrize(("jobs", "epsilon"), [(2, 1.44), (5, 2.36), (10, 3.47), (20, 5.15)])
def test_jobs_of_epsilon_one_compose_as_measured(jobs: int, epsilon: float) -> None:
    assert epsilon_pld([JOB] * jobs, delta=DELTA) == pytest.approx(epsilon, rel=5e-3)


def test_neither_order_nor_grouping_counts() -> None:
    first, second = job(0.01, 1.0, 100), job(0.1, 4.0, 50)
    split = [job(0.01, 1.0, 40), second, job(0.01, 1.0, 60)]
    assert epsilon_pld([first, second], delta=DELTA) == epsilon_pld(split, delta=DELTA)


def test_an_equal_history_is_accounted_for_once() -> None:
    mechanisms = [job(0.02, 3.0, 17), job(0.03, 3.0, 18)]
    epsilon_pld(mechanisms, delta=DELTA)
    before = accounting._epsilon_pld.cache_info()
    assert epsilon_pld(reversed(mechanisms), delta=DELTA) == epsilon_pld(mechanisms, delta=DELTA)
    after = accounting._epsilon_pld.cache_info()
    assert (after.hits - before.hits, after.misses) == (2, before.misses)


def test_a_coarse_total_is_above_a_fine_one_and_near_it() -> None:
    fine, coarse = (epsilon_pld([JOB] * 5, delta=DELTA, interval=each) for each in (1e-4, COARSE))
    assert fine <= coarse <= fine + 0.01


@settings(max_examples=10)
@given(st.sampled_from(USUAL), st.integers(2, 20))
def test_more_of_the_same_costs_more_and_no_more_than_the_sum(setting: Mechanism, times: int) -> None:
    one = epsilon_pld([setting], delta=DELTA, interval=COARSE)
    many = epsilon_pld([setting] * times, delta=DELTA, interval=COARSE)
    assert one <= many <= times * one + 1e-3 * times


@pytest.mark.parametrize(
    "cheaper_first",
    [
        [job(0.01, 1.0, 10), job(0.01, 1.0, 100), job(0.01, 1.0, 1000)],
        [job(0.001, 1.0, 100), job(0.01, 1.0, 100), job(0.1, 1.0, 100), job(1.0, 1.0, 100)],
        [job(0.01, 8.0, 100), job(0.01, 2.0, 100), job(0.01, 1.0, 100), job(0.01, 0.6, 100)],
    ],
    ids=["steps", "sample rate", "less noise"],
)
def test_epsilon_grows(cheaper_first: list[Mechanism]) -> None:
    spent = [epsilon_pld([setting], delta=DELTA, interval=COARSE) for setting in cheaper_first]
    assert all(low < high for low, high in pairwise(spent))


@pytest.mark.parametrize("epsilon", [epsilon_pld, epsilon_prv], ids=["PLD", "PRV"])
def test_edges(epsilon: object) -> None:
    assert callable(epsilon)
    assert epsilon([], delta=DELTA) == 0
    assert epsilon([job(0.1, 1.0, 0), job(0.0, 0.0, 5)], delta=DELTA) == 0
    assert epsilon([JOB, job(0.1, 0.0, 1)], delta=DELTA) == math.inf
    for delta in (0.0, 1.0, -1e-5, math.nan):
        with pytest.raises(ValueError, match="delta"):
            epsilon([JOB], delta=delta)
    with pytest.raises(ValueError, match="probability"):
        epsilon([job(1.5, 1.0, 1)], delta=DELTA)


@pytest.mark.parametrize(
    ("epsilon", "sample_rate", "steps"),
    [(1.0, 0.2, 100), (2.7, 8192 / 60000, 293), (4.0, 0.05, 500), (0.1, 0.2, 100), (1.0, 1.0, 100)],
)
def test_the_noise_that_is_solved_for_reaches_the_target_from_below(
    epsilon: float, sample_rate: float, steps: int
) -> None:
    noise = solve_noise(epsilon=epsilon, delta=DELTA, sample_rate=sample_rate, steps=steps)
    reached = epsilon_pld([job(sample_rate, noise, steps)], delta=DELTA)
    assert epsilon - 1e-3 <= reached <= epsilon


def test_noise_of_a_published_run() -> None:
    # Fashion-MNIST at epsilon 2.7: 3.712 with a tolerance of 0.01.
    noise = solve_noise(epsilon=2.7, delta=DELTA, sample_rate=8192 / 60000, steps=293)
    assert noise == pytest.approx(3.712, abs=0.02)


@pytest.mark.parametrize(
    ("epsilon", "delta", "sample_rate", "steps"),
    [
        (0.0, 1e-5, 0.1, 1),
        (math.inf, 1e-5, 0.1, 1),
        (1.0, 0.0, 0.1, 1),
        (1.0, 1e-5, 0.0, 1),
        (1.0, 1e-5, 0.1, 0),
    ],
)
def test_a_target_that_cannot_be_is_an_error(
    epsilon: float, delta: float, sample_rate: float, steps: int
) -> None:
    with pytest.raises(ValueError, match=r"above 0|between 0 and 1"):
        solve_noise(epsilon=epsilon, delta=delta, sample_rate=sample_rate, steps=steps)


def test_the_first_accountant_needs_neither_torch_nor_opacus() -> None:
    code = (
        "import sys\n"
        "from guard.domain.privacy import Mechanism\n"
        "from guard.training.accounting import epsilon_pld, solve_noise\n"
        "epsilon_pld([Mechanism(sample_rate=0.1, noise_multiplier=2.0, steps=10)], delta=1e-5)\n"
        "print({'torch', 'opacus'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_gaussian_differential_privacy_is_not_offered() -> None:
    assert not [name for name in accounting.__all__ if "gdp" in name.lower()]
    assert "GaussianAccountant" not in vars(accounting)
