"""A plan and rows that anybody may see, for measuring trainers without a dataset."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from guard.domain.dataset import Column, ColumnKind, Dataset
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.training.plan import TrainingPlan, make_plan
from guard.training.recipe import Recipe, load_recipe

__all__ = ["RECIPE", "example_dataset", "example_plan", "example_recipe", "example_rows"]

RECIPE = b"""
apiVersion: guard/v1
kind: TrainingRecipe
metadata: {name: example}
spec:
  recipe: tabular-classification
  dataset: example
  target: {column: bought, classes: ["no", "yes"]}
  features:
    - {column: visits, low: 0, high: 20, bins: [2, 5, 10]}
    - {column: spent, low: 0, high: 1000, scale: log}
    - {column: age, low: 18, high: 98}
    - {column: channel, vocabulary: [web, shop, phone]}
  privacy: {epsilon: 2, delta: 1e-5, max_grad_norm: 0.5}
  schedule: {sample_rate: 0.2, steps: 60, learning_rate: 8, momentum: 0.9, averaging: 0.9}
"""


def example_recipe() -> Recipe:
    """Return a recipe with each kind of feature."""
    return load_recipe(RECIPE)


def example_rows(count: int, *, seed: int) -> list[Mapping[str, str | int | float | None]]:
    """Return rows in which many visits by the web go with buying; some values are missing."""
    chance = random.Random(seed)
    rows: list[Mapping[str, str | int | float | None]] = []
    for number in range(count):
        visits, channel = chance.randrange(20), chance.choice(["web", "shop", "phone", "fax"])
        likely = visits > 9 or (channel == "web" and visits > 4)
        bought = likely if chance.random() < 0.95 else not likely
        rows.append(
            {
                "visits": visits if chance.random() < 0.98 else None,
                "spent": round(chance.random() * 1000, 2),
                "age": 18 + chance.randrange(80),
                "channel": channel,
                "customer": f"customer-{number // 3}",
                "bought": "yes" if bought else "no",
            }
        )
    return rows


def example_dataset(*, units: int, user: bool = False) -> Dataset:
    """Return the registered form of such rows."""
    kinds = {"visits": ColumnKind.INTEGER, "spent": ColumnKind.NUMBER, "age": ColumnKind.INTEGER}
    names = ("visits", "spent", "age", "channel", "customer", "bought")
    kind = UnitKind.USER if user else UnitKind.EXAMPLE
    return Dataset(
        id="sha256:" + "d" * 64,
        name="example",
        tenant="default",
        identity="sha256:" + "1" * 64,
        root="sha256:" + "1" * 64,
        parent=None,
        unit=PrivacyUnit(kind=kind, column="customer" if user else None),
        units=units,
        rows=units,
        columns=tuple(Column(name=name, kind=kinds.get(name, ColumnKind.TEXT)) for name in names),
        transforms=(),
        shards=(),
        purpose="measuring",
        licence="CC0-1.0",
        policy="sha256:" + "2" * 64,
        created=0,
    )


def example_plan(*, units: int = 3000, steps: int = 60, sample_rate: float = 0.2) -> TrainingPlan:
    """Return a plan for such rows."""
    recipe = example_recipe()
    schedule = replace(recipe.schedule, steps=steps, sample_rate=sample_rate)
    return make_plan(replace(recipe, schedule=schedule), example_dataset(units=units))
