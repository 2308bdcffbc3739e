"""Is a sum divided by the expected size, whatever the size? Are as many steps run as are paid for?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from guard.training.checks import Check
from guard.training.plan import TrainingPlan
from guard.training.sampler import Sampler
from guard.training.selftest.bench import Bench, Chosen, Silence
from guard.training.state import TrainerState
from guard.training.trainer import Progress
from guard.training.units import Units

__all__ = ["division_check", "shortened", "steps_check"]

SIZES = (0, 1, 3, 12)
ROUNDING = 1e-4
LARGE = 1e4
MOST_STEPS = 200
CANARIES = 16


def division_check(bench: Bench) -> Check:
    """Take batches of equal units: the result must grow with the batch, in proportion."""
    count = max(SIZES)
    axis = bench.random.normal(size=bench.width)
    rows = np.tile(axis / np.linalg.norm(axis) * LARGE, (count, 1)).astype(np.float32)
    units = Units(features=rows, labels=np.zeros(count, np.int64))
    sampler = Chosen(())
    trainer = bench.trainer(units, sampler=sampler, noise=Silence())
    worst = 0.0
    for size in SIZES:
        sampler.choose(range(size))
        norm = trainer.gradient().norm().item() * bench.expected(units) / bench.bound
        worst = max(worst, abs(norm - size) / max(size, 1))
    return Check(name="division", passed=worst <= ROUNDING, figures={"worst": worst, "allowed": ROUNDING})


class _Counted:
    """Counts the batches that are drawn."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self.draws = 0

    def draw(self) -> NDArray[np.intp]:
        self.draws += 1
        return self._sampler.draw()


class _Book:
    """Writes down what a run says of itself."""

    def __init__(self) -> None:
        self.executed = 0

    def ahead(self, executed: int) -> None:
        self.executed = executed

    def keep(self, state: TrainerState) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass

    def cancelled(self) -> bool:
        return False


def shortened(plan: TrainingPlan, *, most: int = MOST_STEPS) -> TrainingPlan:
    """Return the plan with no more steps than a test has time for."""
    schedule = plan.recipe.schedule
    steps = min(schedule.steps, most)
    brief = replace(schedule, steps=steps, checkpoint_every=min(schedule.checkpoint_every, steps))
    return replace(plan, recipe=replace(plan.recipe, schedule=brief))


def steps_check(bench: Bench) -> Check:
    """Run the plan on silent canaries: batches drawn, steps done and steps written ahead agree."""
    plan = shortened(bench.plan)
    units = bench.silent_units(CANARIES)
    sampler = _Counted(bench.parts(plan, bench.model(), len(units)).sampler)
    book = _Book()
    state = bench.trainer(units, plan=plan, sampler=sampler).run(book)
    planned = plan.recipe.schedule.steps
    return Check(
        name="steps",
        passed=planned == state.done == state.executed == book.executed == sampler.draws,
        figures={"planned": planned, "done": state.done, "drawn": sampler.draws, "paid": book.executed},
    )
