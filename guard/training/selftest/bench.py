"""Trainers on canaries: as the plan makes them, but for one part that is held still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from guard.training.noise import Noise
from guard.training.plan import TrainingPlan
from guard.training.recipes.tabular import IGNORED, width
from guard.training.sampler import Sampler
from guard.training.trainer import Assemble, Mechanics, Trainer, model_for
from guard.training.units import Units

__all__ = ["SIGNIFICANCE", "Bench", "Chosen", "Silence"]

SIGNIFICANCE = 1e-6
"""Below it, chance is no explanation: one false alarm in a hundred thousand self-tests."""


class Silence:
    """No noise at all: what is left is the sum itself."""

    def draw(self, count: int) -> NDArray[np.float64]:
        """Return zeros."""
        return np.zeros(count)


class Chosen:
    """The same units in every step, until others are chosen."""

    def __init__(self, units: Sequence[int]) -> None:
        self.choose(units)

    def choose(self, units: Sequence[int]) -> None:
        """Take these units from now on."""
        self._units = np.array(units, np.intp)

    def draw(self) -> NDArray[np.intp]:
        """Return the chosen units."""
        return self._units


class Bench:
    """Makes trainers for canaries. ``parts``: assembles what is under test."""

    def __init__(self, plan: TrainingPlan, parts: Assemble) -> None:
        self.plan = plan
        self.parts = parts
        self.random = np.random.default_rng()

    @property
    def width(self) -> int:
        """How long an encoded row of the plan is."""
        return width(self.plan.recipe)

    @property
    def classes(self) -> int:
        """How many classes the plan tells apart."""
        return len(self.plan.recipe.target.classes)

    @property
    def bound(self) -> float:
        """How much one unit may add."""
        return self.plan.recipe.privacy.max_grad_norm

    def model(self) -> nn.Module:
        """Return the plan's own model, untrained."""
        return model_for(self.plan.recipe)

    def trainer(
        self,
        units: Units,
        *,
        model: nn.Module | None = None,
        plan: TrainingPlan | None = None,
        sampler: Sampler | None = None,
        noise: Noise | None = None,
    ) -> Trainer:
        """Return a trainer on canaries in which only the named parts are replaced."""

        def parts(plan: TrainingPlan, model: nn.Module, count: int) -> Mechanics:
            made = self.parts(plan, model, count)
            return replace(made, sampler=sampler or made.sampler, noise=noise or made.noise)

        return Trainer(plan=plan or self.plan, units=units, model=model or self.model(), parts=parts)

    def expected(self, units: Units) -> float:
        """Return the size that a batch of these canaries has on average."""
        return self.plan.mechanism.sample_rate * len(units)

    def silent_units(self, count: int) -> Units:
        """Return canaries without a label, and so without a gradient."""
        features = self.random.normal(size=(count, self.width)).astype(np.float32)
        return Units(features=features, labels=np.full(count, IGNORED, np.int64))
