"""Epsilon of many settings by two independent accountants, which must agree.

Opacus' PRV accountant answers with the truth plus its error (0.01 as Opacus ships it);
dp-accounting's PLD with an upper bound that is tight to 1e-4 here. So for every setting
PLD ≤ PRV ≤ PLD + 0.011.
"""

from __future__ import annotations

import math
import random
import time

from benchmarks.outcome import Fact, Measured, NotRun, Outcome, Say
from guard.domain.privacy import Mechanism
from guard.ledger.renyi import cost_of, epsilon_of
from guard.training.accounting import epsilon_pld, epsilon_prv

__all__ = ["compare", "measure", "settings", "soak"]

SETTINGS = 60
SOAK_SETTINGS = 1000
DELTA = 1e-5
PRV_ERROR = 0.01
ORDERS = range(2, 65)
LOWEST, HIGHEST = 0.1, 12.0
"""Epsilon, by Rényi accounting, of the settings that are drawn."""

USUAL = tuple(
    Mechanism(sample_rate=rate, noise_multiplier=noise, steps=steps)
    for rate, noise, steps in (
        (512 / 60000, 1.0, 1170),
        (256 / 60000, 1.1, 14040),
        (4096 / 60000, 4.0, 600),
        (8192 / 60000, 10.0, 293),
        (0.01, 0.5, 100),
        (0.01, 0.8, 1000),
        (0.01, 1.0, 10000),
        (0.001, 0.6, 1000),
        (0.1, 2.0, 100),
        (0.1, 5.0, 1000),
        (1.0, 5.0, 1),
        (1.0, 20.0, 100),
        (0.02, 4.0, 500),
    )
)
"""Settings of published runs, and the edges."""


def settings(count: int, *, seed: int) -> list[Mechanism]:
    """Return ``count`` settings: the usual ones, then random ones of some use."""
    draw = random.Random(seed)
    chosen = list(USUAL[:count])
    while len(chosen) < count:
        setting = Mechanism(
            sample_rate=math.exp(draw.uniform(math.log(1e-3), math.log(0.5))),
            noise_multiplier=math.exp(draw.uniform(math.log(0.5), math.log(20))),
            steps=round(math.exp(draw.uniform(math.log(10), math.log(10_000)))),
        )
        if LOWEST <= _renyi(setting) <= HIGHEST:
            chosen.append(setting)
    return chosen


def _renyi(setting: Mechanism) -> float:
    return min(epsilon_of(cost_of(setting, order=order), delta=DELTA, order=order) for order in ORDERS)


def compare(chosen: list[Mechanism], *, say: Say) -> Outcome:
    """Account for each setting twice. Raises ``NotRun`` without both libraries."""
    gaps: list[float] = []
    over = 0
    spent = {"PLD": 0.0, "PRV": 0.0}
    try:
        for at, setting in enumerate(chosen, 1):
            started = time.perf_counter()
            pld = epsilon_pld((setting,), delta=DELTA)
            between = time.perf_counter()
            gaps.append(epsilon_prv((setting,), delta=DELTA, error=PRV_ERROR) - pld)
            spent["PLD"] += between - started
            spent["PRV"] += time.perf_counter() - between
            over += pld > _renyi(setting)
            if at % 10 == 0:
                say(f"{at} of {len(chosen)} settings")
    except ImportError as missing:
        raise NotRun(f"{missing.name} is not installed (extra train)") from None
    return Outcome(
        measured=(
            Measured(bar="settings", value=len(gaps)),
            Measured(bar="below", value=min(gaps)),
            Measured(bar="above", value=max(gaps)),
        ),
        facts=(
            Fact(what="settings in which PLD is above the Rényi bound", value=over, unit="settings"),
            *(
                Fact(what=f"mean time of {name}", value=seconds / len(gaps) * 1000, unit="ms")
                for name, seconds in spent.items()
            ),
        ),
    )


def measure(*, seed: int, say: Say) -> Outcome:
    """As many settings as the issue asks, and some more."""
    return compare(settings(SETTINGS, seed=seed), say=say)


def soak(*, seed: int, say: Say) -> Outcome:
    """Many more."""
    return compare(settings(SOAK_SETTINGS, seed=seed), say=say)
