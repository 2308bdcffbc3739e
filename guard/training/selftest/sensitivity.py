"""How far one unit moves a sum, with the noise off: never further than the bound.

Whatever the unit holds: tiny, ordinary, huge or not even finite numbers; with others that
push the same way or any way; in the plan's own model and in one of two layers, for which
a bound on each layer, or on the mean, would not do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from guard.training.checks import Check
from guard.training.plan import GradMode, TrainingPlan
from guard.training.selftest.bench import Bench, Chosen, Silence
from guard.training.trainer import two_layer_model
from guard.training.units import Units

__all__ = ["sensitivity_check"]

OTHERS = 6
ROUNDING = 1e-5
SIZES = (0.0, 1e-12, 1.0, 1e12, 3e37)


def sensitivity_check(bench: Bench) -> Check:
    """Return the largest move, over the bound; it may be 1 and no more."""
    largest = 0.0
    for units in _neighbours(bench, records=bench.plan.records_per_unit):
        largest = max(largest, _move(bench, bench.plan, bench.model(), units))
    for mode in GradMode:
        plan = replace(bench.plan, grad_mode=mode)
        for units in _neighbours(bench, records=1):
            largest = max(largest, _move(bench, plan, two_layer_model(bench.width, bench.classes), units))
    return Check(
        name="sensitivity",
        passed=largest <= 1 + ROUNDING,
        figures={"largest": largest, "allowed": 1 + ROUNDING},
    )


def _neighbours(bench: Bench, *, records: int) -> Iterator[Units]:
    """Yield canaries, of which the last one will come and go."""
    axis = bench.random.normal(size=bench.width)
    axis /= np.linalg.norm(axis)
    any_way = bench.random.normal(size=(OTHERS, bench.width))
    any_labels = bench.random.integers(bench.classes, size=OTHERS)
    one_way, one_label = np.tile(axis * 100, (OTHERS, 1)), np.zeros(OTHERS, np.int64)
    for others, labels in ((any_way, any_labels), (one_way, one_label)):
        for last in (*(axis * size for size in SIZES), *_not_finite(axis)):
            features = np.vstack([others, last]).astype(np.float32)
            yield _with_records(features, np.append(labels, 1), records)


def _with_records(features: NDArray[np.float32], labels: NDArray[np.int64], records: int) -> Units:
    if records == 1:
        return Units(features=features, labels=labels)
    return Units(
        features=np.repeat(features[:, None, :], records, axis=1),
        labels=np.repeat(labels[:, None], records, axis=1),
    )


def _not_finite(axis: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
    for value in (np.nan, np.inf, -np.inf):
        spoilt = axis.copy()
        spoilt[0] = value
        yield spoilt


def _move(bench: Bench, plan: TrainingPlan, model: nn.Module, units: Units) -> float:
    """Return how far the last unit moves the sum, over the bound."""
    sampler = Chosen(range(OTHERS))
    trainer = bench.trainer(units, model=model, plan=plan, sampler=sampler, noise=Silence())
    without = trainer.gradient()
    sampler.choose(range(OTHERS + 1))
    moved = (trainer.gradient() - without).norm().item() * bench.expected(units) / bench.bound
    return moved if np.isfinite(moved) else float("inf")
