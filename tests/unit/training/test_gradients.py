"""Sums of clipped gradients against the slow obvious way: one unit, one backward pass, one clip."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from guard.errors import IncompatibleModel
from guard.training.recipes.tabular import IGNORED
from guard.training.trainer import gradients
from guard.training.trainer.gradients import GhostGradients, Gradients, HookGradients, trainable, unit_losses

BOUND = 0.7
Build = Callable[[], nn.Module]


def obvious_sum(model: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Clip each unit's gradient by itself; leave out what is not finite."""
    size = sum(parameter.numel() for parameter in trainable(model))
    total = torch.zeros(size, dtype=torch.float64)
    for unit in range(len(labels)):
        loss = unit_losses(model(features[unit : unit + 1]), labels[unit : unit + 1]).sum()
        gradient = torch.cat(
            [part.reshape(-1) for part in torch.autograd.grad(loss, trainable(model))]
        ).double()
        if gradient.isfinite().all():
            total += gradient * min(1.0, BOUND / max(gradient.norm().item(), 1e-30))
    return total


class Twice(nn.Module):
    """Uses one layer two times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.last = nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.last(torch.tanh(self.layer(torch.tanh(self.layer(inputs)))))
        return outputs


def frozen_first() -> nn.Module:
    model = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))
    model[0].requires_grad_(False)
    return model


def two_layers() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def convolution() -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 6)),
        nn.Conv1d(1, 4, 3),
        nn.GroupNorm(2, 4),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


def words() -> nn.Module:
    return nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(24, 3))


CASES = [
    (GhostGradients, lambda: nn.Linear(6, 3, bias=False)),
    (GhostGradients, two_layers),
    (GhostGradients, frozen_first),
    (GhostGradients, words),
    (HookGradients, two_layers),
    (HookGradients, frozen_first),
    (HookGradients, convolution),
    (HookGradients, words),
    (HookGradients, Twice),
]
IDS = [
    "ghost linear", "ghost two layers", "ghost frozen", "ghost words", "hooks two layers", "hooks frozen",
    "hooks convolution", "hooks words", "hooks twice",
]  # fmt: skip


def batch(build: Build, units: int) -> tuple[nn.Module, Tensor, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        model = build()
        features = torch.randint(0, 9, (units, 6)) if build is words else torch.randn(units, 6) * 4
        return model, features, torch.randint(0, 3, (units,))


@pytest.mark.parametrize(("kind", "build"), CASES, ids=IDS)
@pytest.mark.parametrize("units", [1, 2, 40])
def test_the_sum_is_that_of_units_clipped_one_by_one(
    kind: Callable[..., Gradients], build: Build, units: int
) -> None:
    model, features, labels = batch(build, units)
    expected = obvious_sum(model, features, labels)
    found = kind(model, bound=BOUND).clipped_sum(features, labels)
    assert found.dtype == torch.float64
    assert torch.allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "build"), CASES, ids=IDS)
def test_an_empty_batch_sums_to_nothing(kind: Callable[..., Gradients], build: Build) -> None:
    model, features, labels = batch(build, 3)
    made = kind(model, bound=BOUND)
    assert not made.clipped_sum(features[:0], labels[:0]).any(), "the first batch may be empty"
    assert made.clipped_sum(features, labels).any()
    assert not made.clipped_sum(features[:0], labels[:0]).any(), "nothing is left of the batch before"


@pytest.mark.parametrize(("kind", "build"), [case for case in CASES if case[1] is not words])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e38])
def test_a_unit_that_is_not_finite_counts_as_none(
    kind: Callable[..., Gradients], build: Build, value: float
) -> None:
    model, features, labels = batch(build, 8)
    others = torch.arange(8) != 3
    made = kind(model, bound=BOUND)
    without = made.clipped_sum(features[others], labels[others])
    features[3, 2] = value
    found = made.clipped_sum(features, labels)
    assert found.isfinite().all()
    assert (found - without).norm() <= BOUND * (1 + 1e-5), "it moves the sum no further than any other"
    if math.isnan(value):  # an infinite one may come out of a tanh as an ordinary 1
        assert torch.allclose(found, without, atol=1e-6)


@pytest.mark.parametrize("kind", [GhostGradients, HookGradients])
def test_a_batch_in_which_nothing_is_finite_sums_to_nothing(kind: Callable[..., Gradients]) -> None:
    model, features, labels = batch(two_layers, 4)
    found = kind(model, bound=BOUND).clipped_sum(torch.full_like(features, float("nan")), labels)
    assert not found.any()


@pytest.mark.parametrize("kind", [GhostGradients, HookGradients])
def test_a_large_batch_is_summed_in_pieces(
    kind: Callable[..., Gradients], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, features, labels = batch(two_layers, 23)
    expected = obvious_sum(model, features, labels)
    monkeypatch.setattr(gradients, "PIECE", 5)
    assert torch.allclose(kind(model, bound=BOUND).clipped_sum(features, labels), expected, atol=1e-6)


def test_a_users_gradient_is_that_of_the_mean_over_their_records() -> None:
    model, records, _ = batch(two_layers, 12)
    features, labels = (
        records.reshape(4, 3, 6),
        torch.tensor([[0, 1, 2], [0, 0, IGNORED], [1, IGNORED, IGNORED], [IGNORED] * 3]),
    )
    expected = obvious_sum(model, features, labels)
    found = HookGradients(model, bound=BOUND).clipped_sum(features, labels)
    assert torch.allclose(found, expected, atol=1e-6)


def test_opposed_records_of_a_user_do_not_hide_each_other() -> None:
    """Norms from parts cancel here in single precision; made gradients do not."""
    model = nn.Linear(6, 3, bias=False)
    row = torch.ones(6) * 1e6
    features, labels = torch.stack([torch.stack([row, row * (1 - 1e-6)])]), torch.tensor([[0, 1]])
    found = HookGradients(model, bound=BOUND).clipped_sum(features, labels)
    assert found.norm() <= BOUND * (1 + 1e-5)


def test_a_unit_without_a_label_adds_nothing() -> None:
    model, features, labels = batch(two_layers, 6)
    made = GhostGradients(model, bound=BOUND)
    assert not made.clipped_sum(features, torch.full_like(labels, IGNORED)).any()


def test_ghost_clipping_is_refused_for_layers_that_it_does_not_know() -> None:
    with pytest.raises(IncompatibleModel, match="Conv1d, GroupNorm; use hooks"):
        GhostGradients(convolution(), bound=BOUND)


class Idle(nn.Module):
    """Has a layer that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.used(inputs)
        return outputs


@pytest.mark.parametrize("kind", [GhostGradients, HookGradients])
def test_a_parameter_without_a_gradient_is_refused_and_never_taken_from_before(
    kind: Callable[..., Gradients],
) -> None:
    with pytest.raises(IncompatibleModel, match="freeze it or use it once"):
        kind(Idle(), bound=BOUND).clipped_sum(torch.randn(4, 6), torch.zeros(4, dtype=torch.int64))


def test_a_trained_layer_with_a_buffer_is_refused() -> None:
    layer = nn.Linear(6, 3)
    layer.register_buffer("memory", torch.zeros(1))
    with pytest.raises(IncompatibleModel, match="buffer"):
        HookGradients(layer, bound=BOUND)
