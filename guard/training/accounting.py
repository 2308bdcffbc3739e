"""Epsilon of finished or planned mechanisms by two independent accountants, and the noise for one.

Both composed numerically, for Poisson-sampled Gaussian noise and add/remove neighbours:
privacy loss distributions by dp-accounting (Doroshenko et al., "Connect the dots", 2022),
an upper bound, and privacy random variables by Opacus (Gopi, Lee, Wutschitz, "Numerical
composition of differential privacy", 2021), the truth plus its error. Both hold for
mechanisms that were fixed in advance; admission is the ledger's filter. Gaussian
differential privacy is not offered: for sampled noise it promises less than the truth.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from guard.domain.privacy import Mechanism
from guard.errors import TrainingError
from guard.ledger.renyi import ORDERS, cost_of, epsilon_of

__all__ = ["COARSE", "FINE", "epsilon_pld", "epsilon_prv", "solve_noise"]

FINE = 1e-4
"""Discretisation of privacy losses for certificates."""
COARSE = 1e-3
"""For reports over many jobs: ten times faster, and about 0.002 higher."""
PRV_ERROR = 1e-3
TOLERANCE = 1e-3
BRACKET = 1e-7
"""Relative distance at which two noise multipliers are one."""
SOME_ORDERS = (*range(2, 33), 40, 48, 64, 96, 128, 256, 512, ORDERS.stop - 1)

History = tuple[tuple[float, float, int], ...]
"""Noise multiplier, sample rate and steps of each kind of step, sorted: the order does not count."""


def epsilon_pld(mechanisms: Iterable[Mechanism], *, delta: float, interval: float = FINE) -> float:
    """Return an upper bound of the epsilon of ``mechanisms`` together; infinite without noise.

    Needs the extra ``verify``. Raises ``ValueError`` for a delta that is no probability above 0.
    """
    return _epsilon_pld(_history(mechanisms), _probability(delta), interval)


def epsilon_prv(mechanisms: Iterable[Mechanism], *, delta: float, error: float = PRV_ERROR) -> float:
    """Return the epsilon of ``mechanisms`` together, plus ``error``; infinite without noise.

    Needs the extra ``train``: Opacus imports torch. Raises ``TrainingError`` if it cannot be
    computed, ``ValueError`` for a delta that is no probability above 0.
    """
    return _epsilon_prv(_history(mechanisms), _probability(delta), error)


@lru_cache(maxsize=256)
def solve_noise(*, epsilon: float, delta: float, sample_rate: float, steps: int) -> float:
    """Return a noise multiplier whose epsilon lies at most 1e-3 below ``epsilon``, never above.

    By ``epsilon_pld``. Raises ``ValueError`` for a target or a mechanism that cannot be.
    """
    if not (0 < epsilon < math.inf and sample_rate > 0 and steps > 0):
        raise ValueError("epsilon, sample rate and steps must be above 0")
    _probability(delta)

    def reached(noise: float) -> float:
        mechanism = Mechanism(sample_rate=sample_rate, noise_multiplier=noise, steps=steps)
        return epsilon_pld((mechanism,), delta=delta)

    enough = _enough_noise(epsilon, delta, sample_rate, steps)
    at_enough = reached(enough)
    too_little, at_too_little = enough, at_enough
    while at_too_little <= epsilon:
        enough, at_enough = too_little, at_too_little
        if epsilon - at_enough <= TOLERANCE:
            return enough
        too_little *= 0.9
        at_too_little = reached(too_little)
    while epsilon - at_enough > TOLERANCE and enough / too_little - 1 > BRACKET:
        between = _between(epsilon, (too_little, at_too_little), (enough, at_enough))
        at_between = reached(between)
        if at_between <= epsilon:
            enough, at_enough = between, at_between
        else:
            too_little, at_too_little = between, at_between
    return enough


def _enough_noise(epsilon: float, delta: float, sample_rate: float, steps: int) -> float:
    """Return a noise multiplier that suffices by Rényi accounting, which is cheap and never below."""

    def suffices(noise: float) -> bool:
        mechanism = Mechanism(sample_rate=sample_rate, noise_multiplier=noise, steps=steps)
        return any(
            epsilon_of(cost_of(mechanism, order=order), delta=delta, order=order) <= epsilon
            for order in SOME_ORDERS
        )

    noise = 1.0
    while not suffices(noise):
        noise *= 2
    lower = noise / 2 if noise > 1 else 0.0
    while noise - lower > 0.01 * noise:
        middle = (noise + lower) / 2
        noise, lower = (middle, lower) if suffices(middle) else (noise, middle)
    return noise


def _between(epsilon: float, low: tuple[float, float], high: tuple[float, float]) -> float:
    """Return where a power law through both points reaches just under ``epsilon``.

    Kept off the ends of the bracket, so that each look shortens it.
    """
    (noise_low, epsilon_low), (noise_high, epsilon_high) = low, high
    span = math.log(noise_high / noise_low)
    wanted = max(epsilon - TOLERANCE / 2, epsilon / 2)
    if math.isinf(epsilon_low) or epsilon_high <= 0:
        share = 0.5
    else:
        share = math.log(epsilon_low / wanted) / math.log(epsilon_low / epsilon_high)
    return noise_low * math.exp(span * min(max(share, 0.05), 0.95))


def _history(mechanisms: Iterable[Mechanism]) -> History:
    counts: Counter[tuple[float, float]] = Counter()
    for mechanism in mechanisms:
        # Checks the mechanism; its cost is of no interest here.
        cost_of(mechanism, order=ORDERS.start)
        if mechanism.steps and mechanism.sample_rate:
            counts[float(mechanism.noise_multiplier), float(mechanism.sample_rate)] += mechanism.steps
    return tuple((noise, rate, steps) for (noise, rate), steps in sorted(counts.items()))


def _probability(delta: float) -> float:
    if not 0 < delta < 1:
        raise ValueError("delta must lie between 0 and 1")
    return float(delta)


@lru_cache(maxsize=1024)
def _epsilon_pld(history: History, delta: float, interval: float) -> float:
    from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent
    from dp_accounting.pld import PLDAccountant

    if any(noise == 0 for noise, _, _ in history):
        return math.inf
    accountant = PLDAccountant(value_discretization_interval=interval)
    for noise, rate, steps in history:
        event = GaussianDpEvent(noise)
        accountant.compose(event if rate == 1 else PoissonSampledDpEvent(rate, event), steps)
    return max(0.0, float(accountant.get_epsilon(delta)))


@lru_cache(maxsize=256)
def _epsilon_prv(history: History, delta: float, error: float) -> float:
    from opacus.accountants import PRVAccountant

    if any(noise == 0 for noise, _, _ in history):
        return math.inf
    if not history:
        return 0.0
    accountant = PRVAccountant()
    accountant.history = list(history)
    with warnings.catch_warnings():
        # It looks for a domain by Rényi orders at the edge of its list, and takes log(0) where q = 1.
        warnings.simplefilter("ignore")
        epsilon = float(accountant.get_epsilon(delta=delta, eps_error=error))
    if not math.isfinite(epsilon):
        raise TrainingError("the second accountant gives no finite epsilon for these mechanisms")
    return max(0.0, epsilon)
