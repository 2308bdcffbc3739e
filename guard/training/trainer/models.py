"""The networks that recipes and the self-test train."""

from __future__ import annotations

from torch import nn

__all__ = ["linear_model", "two_layer_model"]


def linear_model(width: int, classes: int) -> nn.Module:
    """Return the linear softmax; it begins at zero. The encoding has a constant, so it has no bias."""
    model = nn.Linear(width, classes, bias=False)
    nn.init.zeros_(model.weight)
    return model


def two_layer_model(width: int, classes: int) -> nn.Module:
    """Return a small network in which a bound for each layer is not a bound for the whole."""
    return nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Linear(8, classes))
