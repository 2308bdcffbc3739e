"""Sums of gradients, each unit's clipped to a bound: Opacus gives norms or gradients, the rest is here.

A unit whose gradient is not finite counts as zero. Otherwise one row with a NaN would
turn the whole model NaN, and by that tell that it is there.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Protocol, TypeVar

import torch
from opacus import GradSampleModule, GradSampleModuleFastGradientClipping
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from guard.errors import IncompatibleModel
from guard.training.plan import GHOST_LAYERS
from guard.training.recipes.tabular import IGNORED

__all__ = ["GhostGradients", "Gradients", "HookGradients", "taken", "trainable", "unit_losses"]

Wrapped = TypeVar("Wrapped")
PIECE = 8192
"""Units whose gradients are held in memory at once."""


class Gradients(Protocol):
    """Sums up the gradients of a batch."""

    def clipped_sum(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the sum over units, all parameters in one vector of double precision."""
        ...


def trainable(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are learnt, in the order of every vector."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def unit_losses(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return each unit's loss: the mean cross-entropy of its records that have a label."""
    units = len(labels)
    by_record = cross_entropy(
        outputs.reshape(-1, outputs.shape[-1]), labels.reshape(-1), ignore_index=IGNORED, reduction="none"
    ).reshape(units, -1)
    labelled = (labels.reshape(units, -1) != IGNORED).sum(dim=1)
    return by_record.sum(dim=1) / labelled.clamp(min=1)


class _Clipped:
    """What both ways share: a batch in pieces, the bound, and nothing left behind."""

    def __init__(self, model: nn.Module, *, bound: float) -> None:
        self._parameters = trainable(model)
        self._size = sum(parameter.numel() for parameter in self._parameters)
        self._bound = bound

    def clipped_sum(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the sum over units, all parameters in one vector of double precision."""
        total = torch.zeros(self._size, dtype=torch.float64, device=features.device)
        with warnings.catch_warnings():
            # Inputs need no gradients; the hooks ask only for those of outputs.
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            for start in range(0, len(labels), PIECE):
                piece = slice(start, start + PIECE)
                total += self._piece(features[piece], labels[piece])
        for parameter in self._parameters:
            parameter.grad = None
        return total

    def _piece(self, features: Tensor, labels: Tensor) -> Tensor:
        raise NotImplementedError

    def _weights(self, norms: Tensor) -> Tensor:
        return self._bound / norms.clamp(min=self._bound)

    def _norms(self, by_parameter: list[Tensor]) -> Tensor:
        norms: Tensor = torch.stack(by_parameter).norm(dim=0)
        return norms

    def _vector(self, sums: list[Tensor]) -> Tensor:
        return torch.cat([part.reshape(-1) for part in sums]).double()


class HookGradients(_Clipped):
    """Makes every unit's gradient: works for every layer, takes memory and time."""

    def __init__(self, model: nn.Module, *, bound: float) -> None:
        super().__init__(model, bound=bound)
        self._wrapped = _wrap(GradSampleModule, model)

    def _piece(self, features: Tensor, labels: Tensor) -> Tensor:
        torch.autograd.backward([unit_losses(self._wrapped(features), labels).sum()])
        gradients = [taken(parameter, "grad_sample") for parameter in self._parameters]
        norms = self._norms([gradient.flatten(1).norm(dim=1) for gradient in gradients])
        finite = norms.isfinite()
        weights = self._weights(norms[finite])
        return self._vector(
            [torch.einsum("n,n...->...", weights, gradient[finite]) for gradient in gradients]
        )


class GhostGradients(_Clipped):
    """Takes norms from activations alone, then the weighted sum in a second backward pass."""

    def __init__(self, model: nn.Module, *, bound: float) -> None:
        super().__init__(model, bound=bound)
        strangers = {
            type(layer).__name__ for layer in model.modules() if list(layer.parameters(recurse=False))
        } - GHOST_LAYERS
        if strangers:
            raise IncompatibleModel(f"no ghost clipping for {', '.join(sorted(strangers))}; use hooks")
        self._wrapped = _wrap(GradSampleModuleFastGradientClipping, model)

    def _piece(self, features: Tensor, labels: Tensor) -> Tensor:
        self._wrapped.enable_hooks()
        losses = unit_losses(self._wrapped(features), labels)
        torch.autograd.backward([losses.sum()], retain_graph=True)
        self._wrapped.disable_hooks()
        norms = self._norms([taken(parameter, "_norm_sample") for parameter in self._parameters])
        finite = norms.isfinite()
        if not finite.any():
            return torch.zeros(self._size, dtype=torch.float64, device=features.device)
        if not finite.all():
            # Zero times NaN is NaN: the others go through once more, norms included.
            return self._piece(features[finite], labels[finite])
        weighted = (self._weights(norms) * losses).sum()
        return self._vector(list(torch.autograd.grad(weighted, self._parameters)))


def _wrap(kind: Callable[..., Wrapped], model: nn.Module) -> Wrapped:
    try:
        return kind(model, loss_reduction="sum", strict=True)
    except NotImplementedError:
        raise IncompatibleModel("a layer to be trained has a buffer, which nothing would protect") from None


def taken(parameter: nn.Parameter, name: str) -> Tensor:
    """Return what Opacus left on a parameter, and take it off: a stale value must never count."""
    value = getattr(parameter, name, None)
    if not isinstance(value, Tensor):
        raise IncompatibleModel("a parameter got no gradient from some unit; freeze it or use it once")
    setattr(parameter, name, None)
    return value
