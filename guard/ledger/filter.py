"""Admission: whether a plan still fits a budget.

A Rényi filter at an order that was fixed with the budget: as long as costs add up to no
more than the cap, the whole is (epsilon, delta)-private, even when later jobs are chosen
by the results of earlier ones (Feldman, Zrnic, "Individual privacy accounting via a Rényi
filter", 2021; Rogers et al., "Privacy odometers and filters", 2016).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import replace

from guard.domain.privacy import Budget, Mechanism, Reservation
from guard.errors import BudgetExhausted, ConfigurationError
from guard.ledger.renyi import ORDERS, cap_of, cost_of, epsilon_of

__all__ = [
    "admit",
    "best_order",
    "check_budget",
    "largest_steps",
    "room_in",
    "share_of",
    "spent_epsilon",
    "spent_of",
    "sufficient_noise",
]

NOISE_PARTS = 10_000
"""Noise multipliers are suggested in multiples of 1 / this."""
NOISE_MOST = 10**9


def best_order(*, epsilon: float, delta: float) -> int:
    """Return the order at which the least Gaussian noise fills the budget.

    Noise without sampling costs order / 2σ² a step, and sampled noise comes near that
    form where steps are many and each says little, so this order suits most jobs.
    """
    return min(ORDERS, key=lambda order: -cap_of(epsilon=epsilon, delta=delta, order=order) / order)


def check_budget(budget: Budget) -> None:
    """Raise ``ConfigurationError`` for a budget that cannot be, or in which nothing would fit."""
    if not 0 < budget.epsilon < math.inf:
        raise ConfigurationError("epsilon must be a finite number above 0")
    if not 0 < budget.delta < 1:
        raise ConfigurationError("delta must lie between 0 and 1")
    if budget.order not in ORDERS:
        raise ConfigurationError(f"the order must be an integer from {ORDERS.start} to {ORDERS.stop - 1}")
    if _cap(budget) <= 0:
        best = best_order(epsilon=budget.epsilon, delta=budget.delta)
        if cap_of(epsilon=budget.epsilon, delta=budget.delta, order=best) > 0:
            raise ConfigurationError(f"at order {budget.order} nothing fits this budget; try order {best}")
        raise ConfigurationError("nothing fits this budget at any order; raise epsilon or delta")


def spent_of(budget: Budget, reservations: Iterable[Reservation]) -> float:
    """Return the cost, at the budget's order, of everything that is charged."""
    return math.fsum([cost_of(reservation.charged, order=budget.order) for reservation in reservations])


def spent_epsilon(budget: Budget, reservations: Sequence[Reservation]) -> float:
    """Return the epsilon, at the budget's delta, of everything that is charged; 0 for nothing."""
    spent = spent_of(budget, reservations)
    return epsilon_of(spent, delta=budget.delta, order=budget.order) if spent else 0.0


def share_of(budget: Budget, mechanisms: Iterable[Mechanism]) -> float:
    """Return the part of the cap that ``mechanisms`` cost; above 1 if the budget was lowered."""
    return math.fsum([cost_of(mechanism, order=budget.order) for mechanism in mechanisms]) / _cap(budget)


def room_in(budget: Budget, reservations: Iterable[Reservation]) -> float:
    """Return the cost that still fits; below 0 if the budget was lowered under what is spent."""
    # Each cost is rounded up by more than this difference can be off by.
    return _cap(budget) - spent_of(budget, reservations)


def admit(budget: Budget, reservations: Iterable[Reservation], mechanism: Mechanism) -> None:
    """Raise ``BudgetExhausted`` unless the whole plan fits beside what is charged.

    Raises ``ValueError`` for a mechanism that cannot be.
    """
    if mechanism.steps < 1:
        raise ValueError("a plan has at least one step")
    room = room_in(budget, reservations)
    if cost_of(mechanism, order=budget.order) <= room:
        return
    steps = largest_steps(room, mechanism, order=budget.order)
    noise = sufficient_noise(room, mechanism, order=budget.order)
    remedy = f", all of them with a noise multiplier of at least {noise:.4f}" if noise else ""
    raise BudgetExhausted(
        f"the budget of {budget.root} has no room for {mechanism.steps} steps at sample rate"
        f" {mechanism.sample_rate:.4g} and noise multiplier {mechanism.noise_multiplier:.4g}:"
        f" {steps} fit{remedy}",
        largest=steps,
    )


def largest_steps(room: float, mechanism: Mechanism, *, order: int) -> int:
    """Return how many of the steps fit into ``room``."""

    def too_many(steps: int) -> bool:
        return cost_of(replace(mechanism, steps=steps), order=order) > room

    return bisect_left(range(1, mechanism.steps + 1), True, key=too_many)


def sufficient_noise(room: float, mechanism: Mechanism, *, order: int) -> float | None:
    """Return the least noise multiplier, to four decimals, with which all steps fit into ``room``."""

    def fits(count: int) -> bool:
        return cost_of(replace(mechanism, noise_multiplier=count / NOISE_PARTS), order=order) <= room

    count = bisect_left(range(NOISE_MOST), True, key=fits)
    return count / NOISE_PARTS if count < NOISE_MOST else None


def _cap(budget: Budget) -> float:
    return cap_of(epsilon=budget.epsilon, delta=budget.delta, order=budget.order)
