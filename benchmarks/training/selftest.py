"""Broken trainers that the self-test must catch, and right ones that it must let pass."""

from __future__ import annotations

import random
import statistics
import time

from benchmarks.outcome import Fact, Measured, Outcome, Say
from benchmarks.training.broken import BROKEN
from benchmarks.training.example import example_plan
from guard.training.plan import TrainingPlan
from guard.training.selftest import run_selftest

__all__ = ["measure", "soak", "some_plan"]

RIGHT_RUNS = 30
SOAK_RUNS = 100


def measure(*, seed: int, say: Say) -> Outcome:
    """Test every broken trainer once, and the right one under thirty plans."""
    return _measure(RIGHT_RUNS, random.Random(seed), say)


def soak(*, seed: int, say: Say) -> Outcome:
    """Test the right trainer under a hundred plans."""
    return _measure(SOAK_RUNS, random.Random(seed), say)


def some_plan(chance: random.Random) -> TrainingPlan:
    """Return a plan of any size: few or many units, small batches or everybody, one step or many."""
    units = chance.choice([100, 500, 3000, 9000])
    return example_plan(
        units=units,
        steps=chance.choice([1, 10, 60, 150]),
        sample_rate=chance.choice([3 / units, 0.02, 0.2, 0.7, 1]),
    )


def _measure(right_runs: int, chance: random.Random, say: Say) -> Outcome:
    plan = example_plan()
    seconds: list[float] = []
    missed: list[str] = []
    for fault, parts in BROKEN.items():
        started = time.monotonic()
        found = run_selftest(plan, parts=parts)
        seconds.append(time.monotonic() - started)
        say(f"{fault}: caught by {', '.join(found.failed) or 'nothing'}")
        missed += [] if found.failed else [fault]
    alarms: list[str] = []
    for number in range(right_runs):
        started = time.monotonic()
        found = run_selftest(some_plan(chance))
        seconds.append(time.monotonic() - started)
        alarms += [] if found.passed else [f"run {number}: {', '.join(found.failed)}"]
    return Outcome(
        measured=(
            Measured(bar="missed", value=len(missed)),
            Measured(bar="alarms", value=len(alarms)),
            Measured(bar="right", value=right_runs),
            Measured(bar="seconds", value=max(seconds)),
        ),
        facts=(
            Fact(what="broken trainers", value=len(BROKEN), unit="trainers"),
            Fact(what="a self-test, median", value=statistics.median(seconds), unit="s"),
        ),
        notes=(*(f"missed: {fault}" for fault in missed), *alarms),
    )
