"""From a principal's limits to the holds of its next exchange (DESIGN §5, Audit, Port)."""

from __future__ import annotations

from guard.domain.event import Hold, HoldUnit
from guard.domain.principal import Principal

__all__ = ["holds_of"]

MINUTE = 60


def holds_of(principal: Principal) -> tuple[Hold, ...]:
    """Return what the intent must hold; empty for a key without limits."""
    limits = principal.limits
    holds: list[Hold] = []
    if limits.requests_per_minute is not None:
        holds.append(_hold(principal, HoldUnit.REQUESTS, limits.requests_per_minute, MINUTE))
    if limits.concurrency is not None:
        holds.append(_hold(principal, HoldUnit.CONCURRENT, limits.concurrency, 0))
    return tuple(holds)


def _hold(principal: Principal, unit: HoldUnit, cap: int, window: int) -> Hold:
    return Hold(key=principal.key_id, unit=unit, amount=1, cap=cap, window=window)
