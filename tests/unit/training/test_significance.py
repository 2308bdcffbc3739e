"""p-values against scipy, and what an attack refutes against the figures that were measured for it."""

from __future__ import annotations

import pytest
from scipy import stats

from guard.training.significance import binomial_p, chi_square_p, normal_p, refutation_p, refuted_epsilon


@pytest.mark.parametrize("z", [0.0, 0.5, -2.0, 5.0, -8.0])
def test_the_normal_p_value_is_scipys(z: float) -> None:
    assert normal_p(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


@pytest.mark.parametrize("degrees", [16, 100, 8192])
@pytest.mark.parametrize("quantile", [1e-6, 1e-3, 0.1, 0.5])
def test_the_chi_square_p_value_is_close_to_scipys(degrees: int, quantile: float) -> None:
    for statistic in (stats.chi2.ppf(quantile, degrees), stats.chi2.isf(quantile, degrees)):
        assert chi_square_p(float(statistic), degrees) == pytest.approx(2 * quantile, rel=2)


@pytest.mark.parametrize(
    ("successes", "trials", "probability"),
    [(0, 10, 0.1), (3, 10, 0.1), (10, 10, 0.5), (0, 1000, 1e-4), (3, 800_000, 1e-8), (430, 1000, 0.5)],
)
def test_the_binomial_p_value_is_scipys(successes: int, trials: int, probability: float) -> None:
    upper = stats.binom.sf(successes - 1, trials, probability)
    lower = stats.binom.cdf(successes, trials, probability)
    expected = min(1.0, 2 * (upper if successes > trials * probability else lower))
    assert binomial_p(successes, trials, probability) == pytest.approx(expected, rel=1e-6)


def test_many_trials_are_nearly_normal() -> None:
    expected = 2 * stats.binom.sf(20_400, 100_000, 0.2)
    assert binomial_p(20_400, 100_000, 0.2) == pytest.approx(expected, rel=0.05)


def obvious_refutation_p(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """The theorem as it is written, by scipy: slow and plain."""
    chance = stats.logistic.cdf(epsilon)
    beta = stats.binom.sf(right - 1, guesses, chance)
    alpha = max(
        (
            float(
                stats.binom.cdf(right - 1, guesses, chance) - stats.binom.cdf(right - i - 1, guesses, chance)
            )
            / i
        )
        for i in range(1, right + 1)
    )
    return min(1.0, float(beta) + 2 * canaries * delta * alpha)


@pytest.mark.parametrize("right", [120, 160, 200, 250])
@pytest.mark.parametrize("epsilon", [0.0, 0.5, 1.0, 4.0])
def test_the_refutation_follows_the_theorem(right: int, epsilon: float) -> None:
    found = refutation_p(canaries=5000, guesses=250, right=right, epsilon=epsilon, delta=1e-5)
    expected = obvious_refutation_p(5000, 250, right, epsilon, 1e-5)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_guessing_at_random_refutes_nothing() -> None:
    assert refuted_epsilon(canaries=5000, guesses=250, right=125, delta=1e-5) == 0
    assert refuted_epsilon(canaries=5000, guesses=250, right=0, delta=1e-5) == 0


def test_guessing_everything_refutes_any_small_epsilon() -> None:
    # With 300 of 300 right among 1,000 canaries the bound measured for this project was 4.58.
    assert refuted_epsilon(canaries=1000, guesses=300, right=300, delta=1e-5) == pytest.approx(4.58, abs=0.02)


def test_the_refuted_epsilon_lies_at_the_level() -> None:
    found = refuted_epsilon(canaries=5000, guesses=250, right=190, delta=1e-5)
    below = refutation_p(canaries=5000, guesses=250, right=190, epsilon=found - 0.01, delta=1e-5)
    above = refutation_p(canaries=5000, guesses=250, right=190, epsilon=found + 0.01, delta=1e-5)
    assert below < 0.05 < above
