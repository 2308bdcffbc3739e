"""The plan: exact rates, what it refuses, and that its digest tells every difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.training.example import example_dataset, example_plan, example_recipe
from guard.domain.canonical import Json
from guard.domain.dataset import Dataset
from guard.errors import TrainingError
from guard.training.accounting import epsilon_pld
from guard.training.plan import GradMode, TrainingPlan, grad_mode, make_plan
from guard.training.recipe import Recipe


def with_schedule(recipe: Recipe, *, expected_batch: int | None, sample_rate: float | None) -> Recipe:
    schedule = replace(recipe.schedule, expected_batch=expected_batch, sample_rate=sample_rate)
    return replace(recipe, schedule=schedule)


def planned(
    units: int, *, expected_batch: int | None = None, sample_rate: float | None = None
) -> TrainingPlan:
    recipe = with_schedule(example_recipe(), expected_batch=expected_batch, sample_rate=sample_rate)
    return make_plan(recipe, example_dataset(units=units))


@pytest.mark.parametrize(
    ("units", "expected_batch", "sample_rate", "batch"),
    [
        (500, 499, None, 499),
        (500, 60, None, 60),
        (93, 1, None, 1),
        (500, 500, None, 500),
        (501, None, 0.2, 100),
        (3, None, 0.1, 1),
    ],
)
def test_the_rate_is_the_batch_over_the_units(
    units: int, expected_batch: int | None, sample_rate: float | None, batch: int
) -> None:
    plan = planned(units, expected_batch=expected_batch, sample_rate=sample_rate)
    assert plan.expected_batch == batch
    assert plan.mechanism.sample_rate == batch / units


def test_noise_reaches_the_target_with_the_spare_steps_included() -> None:
    plan = example_plan()
    assert plan.mechanism.steps == 62
    epsilon = epsilon_pld([plan.mechanism], delta=1e-5)
    assert 2 - 1e-3 <= epsilon <= 2
    assert plan.spent(62) == pytest.approx(epsilon, abs=0.005)
    assert plan.spent(60) < plan.spent(62)
    assert plan.spent(0) == 0
    assert plan.deviation == plan.noise_multiplier * 0.5


@pytest.mark.parametrize(
    ("layers", "records", "mode"),
    [
        (["Linear"], 1, GradMode.GHOST),
        (["Embedding", "Linear"], 1, GradMode.GHOST),
        (["Linear", "GroupNorm"], 1, GradMode.HOOKS),
        (["Conv2d"], 1, GradMode.HOOKS),
        (["Linear"], 2, GradMode.HOOKS),
    ],
)
def test_the_layers_decide_how_gradients_are_clipped(layers: list[str], records: int, mode: GradMode) -> None:
    assert grad_mode(layers, records_per_unit=records) is mode


def bounded(recipe: Recipe, records: int | None) -> Recipe:
    return replace(recipe, privacy=replace(recipe.privacy, records_per_user=records))


def test_a_plan_for_users_bounds_their_records() -> None:
    plan = make_plan(bounded(example_recipe(), 4), example_dataset(units=1000, user=True))
    assert plan.records_per_unit == 4
    assert plan.grad_mode is GradMode.HOOKS


def without(dataset: Dataset, column: str) -> Dataset:
    return replace(dataset, columns=tuple(c for c in dataset.columns if c.name != column))


@pytest.mark.parametrize(
    ("recipe", "dataset", "message"),
    [
        (example_recipe(), example_dataset(units=100, user=True), "users without bound are refused"),
        (bounded(example_recipe(), 3), example_dataset(units=100), "take privacy.records_per_user out"),
        (example_recipe(), without(example_dataset(units=100), "age"), "no column age"),
        (example_recipe(), without(example_dataset(units=100), "bought"), "no column bought"),
        (
            bounded(example_recipe(), 3),
            without(example_dataset(units=100, user=True), "customer"),
            "no column customer",
        ),
        (example_recipe(), example_dataset(units=0), "empty"),
        (
            example_recipe(),
            example_dataset(units=100_000),
            "promises nothing for 100000 units; take at most 1e-06",
        ),
        (
            with_schedule(example_recipe(), expected_batch=101, sample_rate=None),
            example_dataset(units=100),
            "expected batch is 101, the dataset has 100 units",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_recipe_that_does_not_fit_is_refused(recipe: Recipe, dataset: Dataset, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        make_plan(recipe, dataset)
    assert message in caught.value.message


def floats(value: Json) -> list[float]:
    if isinstance(value, dict):
        return [found for member in value.values() for found in floats(member)]
    if isinstance(value, list):
        return [found for member in value for found in floats(member)]
    return [value] if isinstance(value, float) else []


def test_the_plan_as_json_has_no_floats() -> None:
    assert not floats(example_plan().plain())


Change = Callable[[TrainingPlan], TrainingPlan]


def recipe_change(**changes: object) -> Change:
    def change(plan: TrainingPlan) -> TrainingPlan:
        group = "privacy" if "max_grad_norm" in changes or "delta" in changes else "schedule"
        changed = replace(getattr(plan.recipe, group), **changes)
        return replace(plan, recipe=replace(plan.recipe, **{group: changed}))

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: replace(plan, noise_multiplier=plan.noise_multiplier * (1 + 2**-50)),
        lambda plan: replace(plan, units=plan.units + 1),
        lambda plan: replace(plan, expected_batch=plan.expected_batch + 1),
        lambda plan: replace(plan, dataset="another"),
        lambda plan: replace(plan, root="another"),
        lambda plan: replace(plan, code="another"),
        lambda plan: replace(plan, grad_mode=GradMode.HOOKS),
        lambda plan: replace(plan, recipe=replace(plan.recipe, features=plan.recipe.features[1:])),
        recipe_change(max_grad_norm=0.4),
        recipe_change(delta=1e-6),
        recipe_change(steps=59),
        recipe_change(spare_steps=3),
        recipe_change(learning_rate=7.0),
        recipe_change(momentum=0.0),
        recipe_change(averaging=0.0),
    ],
)
def test_every_difference_changes_the_digest(change: Change) -> None:
    plan = example_plan()
    assert change(plan).digest != plan.digest


def test_the_same_plan_has_the_same_digest() -> None:
    assert example_plan().digest == example_plan().digest
    assert hash(example_plan()) == hash(example_plan())
