"""From the name that a caller asks for to the model of the catalogue."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase

from guard.domain.catalogue import Catalogue, Model
from guard.domain.exchange import Target

__all__ = ["SAME", "resolve"]

SAME = "same"
"""A target's model that stands for the name that the caller asked for."""


def resolve(catalogue: Catalogue, name: str) -> Model | None:
    """Return the model that ``name`` asks for, or ``None`` if there is none.

    The exact name counts first, then the longest pattern that fits, then the first in
    the file. The model keeps the catalogue's own name; its targets name real models.
    """
    best: Model | None = None
    for model in catalogue.models:
        if model.name == name:
            return _with_targets(model, name)
        longer = best is None or len(model.name) > len(best.name)
        if "*" in model.name and longer and fnmatchcase(name, model.name):
            best = model
    return None if best is None else _with_targets(best, name)


def _with_targets(model: Model, asked: str) -> Model:
    return replace(model, targets=tuple(_target(target, asked) for target in model.targets))


def _target(target: Target, asked: str) -> Target:
    return replace(target, model=asked) if target.model == SAME else target
