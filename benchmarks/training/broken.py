"""Trainers that betray their plan, each in one way, put together through the trainer's own seams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from opacus import GradSampleModule
from torch import Tensor, nn

from guard.training.noise import GaussianNoise, Noise
from guard.training.plan import TrainingPlan
from guard.training.sampler import PoissonSampler
from guard.training.selftest.bench import Silence
from guard.training.trainer import Assemble, Mechanics, assemble
from guard.training.trainer.gradients import taken, trainable, unit_losses

__all__ = ["BROKEN"]


class Repeated:
    """The same noise in every step."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._first: NDArray[np.float64] = np.zeros(0)

    def draw(self, count: int) -> NDArray[np.float64]:
        if len(self._first) != count:
            self._first = self._noise.draw(count)
        return self._first


class Seeded:
    """The same noise after every start."""

    def __init__(self, deviation: float) -> None:
        self._deviation = deviation
        self._random = np.random.default_rng(7)

    def draw(self, count: int) -> NDArray[np.float64]:
        return self._random.normal(scale=self._deviation, size=count)


class Shuffled:
    """Batches of one size, every unit once an epoch."""

    def __init__(self, rate: float, units: int) -> None:
        self._units, self._size = units, max(1, round(rate * units))
        self._random = np.random.default_rng()
        self._left: NDArray[np.intp] = np.zeros(0, np.intp)

    def draw(self) -> NDArray[np.intp]:
        if len(self._left) < self._size:
            self._left = self._random.permutation(self._units)
        batch, self._left = self._left[: self._size], self._left[self._size :]
        return batch


class MeanClipped:
    """The batch's mean gradient, clipped as if it were one unit's."""

    def __init__(self, model: nn.Module, bound: float) -> None:
        self._model, self._bound = model, bound

    def clipped_sum(self, features: Tensor, labels: Tensor) -> Tensor:
        parameters = trainable(self._model)
        if not len(labels):
            return torch.zeros(
                sum(parameter.numel() for parameter in parameters),
                dtype=torch.float64,
                device=features.device,
            )
        losses = unit_losses(self._model(features), labels)
        gradient = torch.cat([part.reshape(-1) for part in torch.autograd.grad(losses.mean(), parameters)])
        share: float = self._bound / max(self._bound, gradient.norm().item())
        return gradient.double() * share * len(labels)


class LayerClipped:
    """Every unit's gradient, clipped to the bound in each layer by itself."""

    def __init__(self, model: nn.Module, bound: float, *, zero_spoilt: bool = True) -> None:
        self._parameters = trainable(model)
        self._wrapped = GradSampleModule(model, loss_reduction="sum")
        self._bound, self._zero_spoilt = bound, zero_spoilt

    def clipped_sum(self, features: Tensor, labels: Tensor) -> Tensor:
        if not len(labels):
            return torch.zeros(
                sum(p.numel() for p in self._parameters), dtype=torch.float64, device=features.device
            )
        inputs = features.clone().requires_grad_()
        torch.autograd.backward([unit_losses(self._wrapped(inputs), labels).sum()])
        return torch.cat([self._clipped(parameter) for parameter in self._parameters]).double()

    def _clipped(self, parameter: nn.Parameter) -> Tensor:
        flat = taken(parameter, "grad_sample").flatten(1)
        if self._zero_spoilt:
            flat = flat[flat.isfinite().all(dim=1)]
        norms = flat.norm(dim=1, keepdim=True)
        clipped: Tensor = (flat * (self._bound / norms.clamp(min=self._bound))).sum(dim=0)
        return clipped


def _bound(plan: TrainingPlan) -> float:
    return plan.recipe.privacy.max_grad_norm


def _weak(share: float) -> Assemble:
    return lambda plan, model, units: replace(
        assemble(plan, model, units), noise=GaussianNoise(deviation=plan.deviation * share)
    )


def _unhooked(plan: TrainingPlan, units: int) -> Mechanics:
    """Return the right parts on nobody's model, because hooks cannot be put on a model twice."""
    return assemble(plan, nn.Linear(1, 1), units)


def _silent(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(assemble(plan, model, units), noise=Silence())


def _mean_clipped(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(_unhooked(plan, units), gradients=MeanClipped(model, _bound(plan)))


def _layer_clipped(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(_unhooked(plan, units), gradients=LayerClipped(model, _bound(plan)))


def _spoilt(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(_unhooked(plan, units), gradients=LayerClipped(model, _bound(plan), zero_spoilt=False))


def _shuffled(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(assemble(plan, model, units), sampler=Shuffled(plan.mechanism.sample_rate, units))


def _more_often(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    rate = min(1.0, plan.mechanism.sample_rate * 1.1)
    return replace(assemble(plan, model, units), sampler=PoissonSampler(rate=rate, units=units))


def _repeated(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    made = assemble(plan, model, units)
    return replace(made, noise=Repeated(made.noise))


def _seeded(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(assemble(plan, model, units), noise=Seeded(plan.deviation))


def _by_actual_size(plan: TrainingPlan, model: nn.Module, units: int) -> Mechanics:
    return replace(assemble(plan, model, units), divisor=lambda size: max(size, 1))


BROKEN: Mapping[str, Assemble] = {
    "no noise": _silent,
    "half the noise": _weak(0.5),
    "noise x 0.8": _weak(0.8),
    "clips the mean": _mean_clipped,
    "clips each layer": _layer_clipped,
    "shuffled batches": _shuffled,
    "reuses noise": _repeated,
    "divides by the actual size": _by_actual_size,
    "noise from a seed": _seeded,
    "lets a NaN through": _spoilt,
    "samples more often": _more_often,
}
"""From what is wrong with a trainer to the function that assembles it: the bar's eight, and three more."""
