"""Rows of a table as vectors of length one, by the recipe's bounds and vocabularies alone.

A category is one-hot with one more place for every other value, absent ones included. A
number is a bin, or a fraction of its bounds, with one more place for "missing". The last
place is always 1, so that no row is zero; then the row is scaled to length one.
``export.py`` says the same again as an ONNX graph, and a test holds the two equal; so all
arithmetic is in single precision here as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from guard.training.recipe import Category, Feature, Number, Recipe, Scale
from guard.training.state import TrainerState

__all__ = [
    "IGNORED",
    "Value",
    "as_text",
    "encode",
    "feature_width",
    "label_index",
    "probabilities",
    "weights_of",
    "width",
]

Value = str | int | float | None
IGNORED = -100
"""The label of a row whose target is no class: it has no loss and no gradient."""


def width(recipe: Recipe) -> int:
    """Return the length of an encoded row."""
    return sum(feature_width(feature) for feature in recipe.features) + 1


def feature_width(feature: Feature) -> int:
    """Return how many places a feature takes."""
    if isinstance(feature, Category):
        return len(feature.vocabulary) + 1
    return (len(feature.bins) + 1 if feature.bins else 1) + 1


def encode(recipe: Recipe, rows: Sequence[Mapping[str, Value]]) -> NDArray[np.float32]:
    """Return one encoded row for each row. Raises ``KeyError`` if a column is not there."""
    blocks = [_block(feature, [row[feature.column] for row in rows]) for feature in recipe.features]
    blocks.append(np.ones((len(rows), 1), np.float32))
    whole = np.concatenate(blocks, axis=1)
    length: NDArray[np.float32] = np.sqrt(np.square(whole).sum(axis=1, keepdims=True))
    return np.asarray(whole / length, np.float32)


def as_text(value: Value) -> str:
    """Return a value as vocabularies spell it; an absent one is empty."""
    return "" if value is None else str(value)


def label_index(recipe: Recipe) -> dict[str, int]:
    """Return the number of each class."""
    return {name: index for index, name in enumerate(recipe.target.classes)}


def weights_of(recipe: Recipe, state: TrainerState) -> NDArray[np.float32]:
    """Return the trained weights, one row a class."""
    released = state.released(averaging=recipe.schedule.averaging)
    return released.reshape(len(recipe.target.classes), width(recipe))


def probabilities(features: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each class's probability for encoded rows; ``weights`` has one row a class."""
    scores = features @ weights.T
    grown = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True), np.float32)


def _block(feature: Feature, values: Sequence[Value]) -> NDArray[np.float32]:
    if isinstance(feature, Category):
        known = {word: index for index, word in enumerate(feature.vocabulary)}
        other = len(known)
        return _one_hot([known.get(as_text(value), other) for value in values], other + 1)
    with np.errstate(over="ignore"):  # beyond single precision is beyond every bound
        numbers = np.array([_number(value) for value in values]).astype(np.float32)
    missing = np.isnan(numbers)
    clipped = np.clip(np.where(missing, np.float32(feature.low), numbers), *_bounds(feature))
    if feature.bins:
        edges = np.array(feature.bins, np.float32)
        above = (clipped[:, None] >= edges).sum(axis=1)
        return _one_hot(np.where(missing, len(edges) + 1, above), len(edges) + 2)
    scaled = np.where(missing, np.float32(0), _scaled(feature, clipped))
    return np.stack([scaled, missing.astype(np.float32)], axis=1)


def _bounds(feature: Number) -> tuple[np.float32, np.float32]:
    return np.float32(feature.low), np.float32(feature.high)


def _scaled(feature: Number, clipped: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = _bounds(feature)
    if feature.scale is Scale.LOG:
        return np.asarray(np.log(clipped - low + 1) / np.log(high - low + 1), np.float32)
    return np.asarray((clipped - low) / (high - low), np.float32)


def _one_hot(places: Sequence[int] | NDArray[np.intp], size: int) -> NDArray[np.float32]:
    block = np.zeros((len(places), size), np.float32)
    block[np.arange(len(places)), places] = 1
    return block


def _number(value: Value) -> float:
    """Return a number; a text that is none, an empty one and an absent one are missing."""
    try:
        return float(value) if value is not None else float("nan")
    except (ValueError, OverflowError):
        return float("nan")
