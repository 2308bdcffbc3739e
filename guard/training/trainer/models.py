"""The networks that recipes and the self-test train."""

from __future__ import annotations

from torch import nn

from guard.training.recipe import Recipe
from guard.training.recipes.tabular import width

__all__ = ["linear_model", "model_for", "two_layer_model"]


def model_for(recipe: Recipe) -> nn.Module:
    """Return the untrained model of a recipe."""
    return linear_model(width(recipe), len(recipe.target.classes))


def linear_model(inputs: int, classes: int) -> nn.Module:
    """Return the linear softmax; it begins at zero. The encoding has a constant, so it has no bias."""
    model = nn.Linear(inputs, classes, bias=False)
    nn.init.zeros_(model.weight)
    return model


def two_layer_model(inputs: int, classes: int) -> nn.Module:
    """Return a small network in which a bound for each layer is not a bound for the whole."""
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, classes))
