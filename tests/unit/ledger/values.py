"""Budgets, mechanisms and reservations for tests."""

from __future__ import annotations

from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Reservation, SpendState, UnitKind

__all__ = ["EXAMPLE", "ROOT", "budget", "mechanism", "reservation"]

ROOT = "sha256:" + "5e" * 32
EXAMPLE = PrivacyUnit(kind=UnitKind.EXAMPLE)


def budget(
    *,
    epsilon: float = 10.0,
    delta: float = 1e-5,
    order: int = 4,
    root: str = ROOT,
    unit: PrivacyUnit = EXAMPLE,
) -> Budget:
    """Return a budget."""
    return Budget(root=root, epsilon=epsilon, delta=delta, order=order, unit=unit)


def mechanism(steps: int = 1000, *, noise_multiplier: float = 1.416, sample_rate: float = 0.01) -> Mechanism:
    """Return a job of about epsilon = 1 at delta = 1e-5."""
    return Mechanism(sample_rate=sample_rate, noise_multiplier=noise_multiplier, steps=steps)


def reservation(
    state: SpendState = SpendState.RESERVED,
    *,
    written_ahead: int = 0,
    steps: int = 1000,
    reservation_id: str = "0190-first",
    created: int = 1,
) -> Reservation:
    """Return a reservation of the job above."""
    return Reservation(
        id=reservation_id,
        root=ROOT,
        job="job of " + reservation_id,
        mechanism=mechanism(steps),
        state=state,
        written_ahead=written_ahead,
        created=created,
    )
