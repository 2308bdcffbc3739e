"""How surprising a measurement is: p-values, and the epsilon that an attack refutes."""

from __future__ import annotations

import math

__all__ = ["binomial_p", "chi_square_p", "normal_p", "refutation_p", "refuted_epsilon"]

LEVEL = 0.05
HIGHEST = 50.0
FINENESS = 1e-3
NORMAL_FROM = 1000.0
"""Variance of a count from which on it is treated as normal."""
NEGLIGIBLE = 1e-16


def normal_p(z: float) -> float:
    """Return how likely a standard normal value is as far from 0 as ``z``, on either side."""
    return math.erfc(abs(z) / math.sqrt(2))


def chi_square_p(statistic: float, degrees: int) -> float:
    """Return how likely a chi-square value is as extreme, on either side.

    By the cube root (Wilson and Hilferty, 1931), close enough from 8 degrees on.
    """
    spread = 2 / (9 * degrees)
    return normal_p(((statistic / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(spread))


def binomial_p(successes: int, trials: int, probability: float) -> float:
    """Return how likely a binomial count is as extreme, on either side."""
    mean = trials * probability
    variance = mean * (1 - probability)
    if variance > NORMAL_FROM:
        return normal_p((successes - mean) / math.sqrt(variance))
    step = 1 if successes > mean else -1
    tail = 0.0
    while 0 <= successes <= trials:
        term = _binomial(successes, trials, probability)
        tail += term
        if term <= NEGLIGIBLE * tail:
            break
        successes += step
    return min(1.0, 2 * tail)


def _binomial(successes: int, trials: int, probability: float) -> float:
    if probability in (0.0, 1.0):
        return float(successes == trials * probability)
    ways = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return math.exp(
        ways + successes * math.log(probability) + (trials - successes) * math.log1p(-probability)
    )


def refutation_p(*, canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Return the p-value of "(epsilon, delta)-private" after an attack that guessed so well.

    Each of ``canaries`` was in with probability one half; ``guesses`` of them were guessed,
    ``right`` of these rightly. Steinke, Nasr, Jagielski, "Privacy auditing with one (1)
    training run" (2023), theorem 5.2.
    """
    chance = 1 / (1 + math.exp(-epsilon))
    tails = [0.0] * (guesses + 2)
    for successes in range(guesses, -1, -1):
        tails[successes] = tails[successes + 1] + _binomial(successes, guesses, chance)
    beta = tails[right]
    alpha = max(((tails[right - i] - beta) / i for i in range(1, right + 1)), default=0.0)
    return min(1.0, beta + 2 * canaries * delta * alpha)


def refuted_epsilon(*, canaries: int, guesses: int, right: int, delta: float) -> float:
    """Return the largest epsilon that the attack refutes at a level of 5 %; 0 if none."""

    def refuted(epsilon: float) -> bool:
        p = refutation_p(canaries=canaries, guesses=guesses, right=right, epsilon=epsilon, delta=delta)
        return p < LEVEL

    if not refuted(0.0):
        return 0.0
    low, high = 0.0, HIGHEST
    while high - low > FINENESS:
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
