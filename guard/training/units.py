"""The privacy units of a dataset as arrays: one row of features for each record of a unit.

For examples the arrays are ``(units, width)`` and ``(units,)``; for users of at most k
records ``(units, k, width)`` and ``(units, k)``, filled up with rows that have no loss.
A user's records beyond k are left out before anything is computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from guard.domain.privacy import UnitKind
from guard.errors import TrainingError
from guard.training.plan import TrainingPlan
from guard.training.recipes.tabular import IGNORED, Value, as_text, encode, label_index, width

__all__ = ["Units", "read_units"]

PIECE = 8192
MOST_VALUES = 2**31
"""Single-precision numbers of users' records that are held at once: 8 GiB."""
Row = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Units:
    """Features and labels; the first axis counts privacy units."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


def read_units(plan: TrainingPlan, rows: Iterable[Row]) -> Units:
    """Encode a dataset's rows.

    Raises ``TrainingError`` if a row has no user, or if there are not as many units as
    the plan (and so the accounting) says.
    """
    users: list[Value] = []
    features, labels = _encoded(plan, rows, users)
    units = Units(features=features, labels=labels)
    if plan.unit.kind is UnitKind.USER:
        units = _by_user(units, users, records=plan.records_per_unit)
    if len(units) != plan.units:
        raise TrainingError(
            f"the dataset has {len(units)} units, the plan says {plan.units}: it changed after registration"
        )
    return units


def _encoded(
    plan: TrainingPlan, rows: Iterable[Row], users: list[Value]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    recipe, index = plan.recipe, label_index(plan.recipe)
    features: list[NDArray[np.float32]] = [np.zeros((0, width(recipe)), np.float32)]
    labels: list[int] = []
    for piece in _pieces(rows):
        try:
            features.append(encode(recipe, piece))
            labels += [index.get(as_text(row[recipe.target.column]), IGNORED) for row in piece]
            if plan.unit.kind is UnitKind.USER:
                users += [row[plan.unit.column or ""] for row in piece]
        except KeyError as column:
            raise TrainingError(f"the rows have no column {column}") from None
    return np.concatenate(features), np.array(labels, np.int64)


def _pieces(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    remaining = iter(rows)
    while piece := list(islice(remaining, PIECE)):
        yield piece


def _by_user(rows: Units, users: Sequence[Value], *, records: int) -> Units:
    if any(map(_nameless, users)):
        # How many is a figure of private rows, and messages leave the worker.
        raise TrainingError("some rows name no user, so nothing protects whom they are about")
    places: dict[Value, list[int]] = {}
    for row, user in enumerate(users):
        places.setdefault(user, []).append(row)
    if len(places) * records * rows.features.shape[1] > MOST_VALUES:
        raise TrainingError(
            f"{len(places)} users of up to {records} records do not fit in memory; lower records_per_user"
        )
    features = np.zeros((len(places), records, rows.features.shape[1]), np.float32)
    labels = np.full((len(places), records), IGNORED, np.int64)
    for unit, found in enumerate(places.values()):
        kept = found[:records]
        features[unit, : len(kept)] = rows.features[kept]
        labels[unit, : len(kept)] = rows.labels[kept]
    return Units(features=features, labels=labels)


def _nameless(user: Value) -> bool:
    return user is None or user == "" or (isinstance(user, float) and math.isnan(user))
