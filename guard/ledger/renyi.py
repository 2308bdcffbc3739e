"""Rényi differential privacy of Poisson-subsampled Gaussian noise, at one integer order.

Add/remove neighbours. Cost of a step: Mironov, Talwar, Zhang, "Rényi differential privacy
of the sampled Gaussian mechanism" (2019), §3.3; steps add up. From there to (epsilon,
delta): Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (2020),
proposition 12. Every figure is rounded to the side on which nobody is promised too much.
"""

from __future__ import annotations

import math
from functools import lru_cache

from guard.domain.privacy import Mechanism

__all__ = ["ORDERS", "cap_of", "cost_of", "epsilon_of", "step_cost"]

ORDERS = range(2, 1025)
"""The orders that a budget may be frozen at."""

ROUNDING = 2.0**-50
"""Bounds the relative rounding error of a logarithm, a product or a short sum of them."""
MARGIN = 1 + 1e-12
"""Covers the rounding of everything after the terms of the sum, and of sums over a ledger."""
SMALLEST = 5e-324


def cost_of(mechanism: Mechanism, *, order: int) -> float:
    """Return what all steps of ``mechanism`` cost; infinite if they add no noise.

    Raises ``ValueError`` for a mechanism that cannot be.
    """
    if mechanism.steps < 0:
        raise ValueError("a mechanism has no fewer than 0 steps")
    step = step_cost(
        sample_rate=mechanism.sample_rate, noise_multiplier=mechanism.noise_multiplier, order=order
    )
    return mechanism.steps * step if mechanism.steps else 0.0


@lru_cache(maxsize=4096)
def step_cost(*, sample_rate: float, noise_multiplier: float, order: int) -> float:
    """Return an upper bound, tight to 1e-8, of one step's cost.

    Raises ``ValueError`` for parameters that cannot be.
    """
    if not 0 <= sample_rate <= 1:
        raise ValueError("a sample rate is a probability")
    if not 0 <= noise_multiplier < math.inf:
        raise ValueError("a noise multiplier is a finite number, at least 0")
    if order not in ORDERS:
        raise ValueError(f"an order is an integer from {ORDERS.start} to {ORDERS.stop - 1}")
    if sample_rate == 0:
        return 0.0
    if noise_multiplier == 0:
        return math.inf
    if sample_rate == 1:
        cost = order / 2 / noise_multiplier / noise_multiplier
    else:
        cost = _log_moment(sample_rate, noise_multiplier, order) / (order - 1)
    return math.nextafter(cost * MARGIN, math.inf)


def _log_moment(q: float, sigma: float, order: int) -> float:
    """Return the logarithm of A, the sum over k of Binomial(order, q)(k) · exp((k² - k) / 2σ²).

    A - 1 is the same sum with expm1 for exp, as the weights add up to 1: its terms are
    positive (none for k < 2), so nothing cancels, however small q is.
    """
    terms = [_log_term(q, sigma, order, k) for k in range(2, order + 1)]
    highest = max(terms)
    if highest == math.inf:
        return math.inf
    log = highest + math.log(math.fsum([math.exp(term - highest) for term in terms]))
    return max(log, 0.0) + math.log1p(math.exp(-abs(log)))


def _log_term(q: float, sigma: float, order: int, k: int) -> float:
    exponent = max((k * k - k) / 2 / sigma / sigma, SMALLEST)
    if exponent == math.inf:
        return math.inf
    parts = (
        math.log(math.comb(order, k)),
        k * math.log(q),
        (order - k) * math.log1p(-q),
        exponent,
        math.log(-math.expm1(-exponent)),
    )
    return math.fsum(parts) + ROUNDING * math.fsum([abs(part) for part in parts])


def epsilon_of(cost: float, *, delta: float, order: int) -> float:
    """Return the epsilon at ``delta`` of anything that costs ``cost`` at ``order``."""
    shift, error = _conversion(delta, order)
    return max(0.0, (cost + shift + error) * MARGIN)


def cap_of(*, epsilon: float, delta: float, order: int) -> float:
    """Return the highest cost at ``order`` that is (epsilon, delta)-private; below 0 if none is."""
    shift, error = _conversion(delta, order)
    return epsilon - shift - error - ROUNDING * epsilon


def _conversion(delta: float, order: int) -> tuple[float, float]:
    """Return epsilon minus cost, and by how much that may be off."""
    tail, gain = (math.log(delta) + math.log(order)) / (order - 1), math.log1p(-1 / order)
    error = ROUNDING * ((math.log(order) - math.log(delta)) / (order - 1) - gain)
    return gain - tail, error
