"""An attack on the trainer: can it be told which canaries were in, better than epsilon allows?

Each canary is as visible as a unit can be: a coordinate of its own, and a gradient far
above the bound. Whoever sees every noisy gradient guesses the few that look most in and
most out. Nothing found is no proof: the bound lies far below epsilon even for a trainer
that is right, so a certificate says "no violation found", never "epsilon is".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guard.training.accounting import epsilon_pld
from guard.training.checks import Check
from guard.training.plan import TrainingPlan
from guard.training.selftest.bench import Bench
from guard.training.selftest.counting import MOST_STEPS, shortened
from guard.training.significance import refuted_epsilon
from guard.training.trainer import linear_model
from guard.training.units import Units

__all__ = ["audit_check"]

CANARIES = 5000
GUESSES = 250
LOUD = 100.0
VISITS = 60_000
"""Gradients of single canaries that an attack has time for."""


def audit_check(bench: Bench) -> Check:
    """Attack once; after a hit once more, because one in twenty is chance, and both must hit."""
    plan = shortened(bench.plan, most=_affordable_steps(bench.plan))
    steps = plan.recipe.schedule.steps
    claimed = epsilon_pld([plan.executed(steps)], delta=plan.recipe.privacy.delta)
    refuted, right = _attack(bench, plan)
    runs = 1
    if refuted > claimed:
        again, right = _attack(bench, plan)
        refuted, runs = min(refuted, again), 2
    return Check(
        name="audit",
        passed=refuted <= claimed,
        figures={
            "claimed": claimed,
            "steps": steps,
            "refuted": refuted,
            "canaries": CANARIES,
            "guesses": GUESSES,
            "right": right,
            "runs": runs,
        },
    )


def _affordable_steps(plan: TrainingPlan) -> int:
    """Return how many steps there is time for: fewer if each of them sees more canaries."""
    return min(MOST_STEPS, max(1, int(VISITS / (CANARIES / 2 * plan.mechanism.sample_rate))))


def _attack(bench: Bench, plan: TrainingPlan) -> tuple[float, int]:
    """Return the epsilon that is refuted, and how many guesses were right."""
    present = bench.random.integers(2, size=CANARIES) == 1
    scores = _scores(bench, plan, np.flatnonzero(present))
    order = np.argsort(scores)
    half = GUESSES // 2
    right = int(present[order[-half:]].sum() + (~present[order[:half]]).sum())
    refuted = refuted_epsilon(
        canaries=CANARIES, guesses=2 * half, right=right, delta=plan.recipe.privacy.delta
    )
    return refuted, right


def _scores(bench: Bench, plan: TrainingPlan, present: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how much each canary looks as if it was in, over all steps."""
    rows = np.zeros((len(present), CANARIES), np.float32)
    rows[np.arange(len(present)), present] = LOUD * bench.bound
    units = Units(features=rows, labels=np.zeros(len(present), np.int64))
    trainer = bench.trainer(units, model=linear_model(CANARIES, 2), plan=plan)
    total = np.zeros((2, CANARIES))
    for _ in range(plan.recipe.schedule.steps):
        total += trainer.gradient().cpu().numpy().reshape(2, CANARIES)
    return np.asarray(total[1] - total[0], np.float64)
