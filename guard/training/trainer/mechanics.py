"""The moving parts of a step, made from the plan: what is sampled, clipped, added, divided by.

Each part is replaceable, and that is why the self-test exists: it is handed the function
that assembles the parts, and finds out whether they do what the plan says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from guard.training.noise import GaussianNoise, Noise
from guard.training.plan import GradMode, TrainingPlan
from guard.training.sampler import PoissonSampler, Sampler
from guard.training.trainer.gradients import GhostGradients, Gradients, HookGradients

__all__ = ["Assemble", "Divisor", "Mechanics", "assemble"]

Divisor = Callable[[int], float]
"""From the size that a batch has to what its sum is divided by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanics:
    """The parts of one run."""

    sampler: Sampler
    gradients: Gradients
    noise: Noise
    divisor: Divisor


Assemble = Callable[[TrainingPlan, nn.Module, int], Mechanics]
"""From a plan, a model and a number of units to the parts."""


def assemble(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    """Return the parts that follow from the plan.

    ``units`` is the plan's own number, except on the self-test's canaries, which are
    sampled at the same rate.
    """
    rate = plan.mechanism.sample_rate
    bound = plan.recipe.privacy.max_grad_norm
    expected = rate * units
    gradients = GhostGradients if plan.grad_mode is GradMode.GHOST else HookGradients
    return Mechanics(
        sampler=PoissonSampler(rate=rate, units=units),
        gradients=gradients(model, bound=bound),
        noise=GaussianNoise(deviation=plan.deviation),
        # The size that a batch happens to have is private; dividing by it would tell.
        divisor=lambda _size: expected,
    )
