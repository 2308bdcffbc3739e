"""Privacy units as arrays: examples one by one, users with their records, nobody unbounded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.training.example import example_dataset, example_plan, example_recipe, example_rows
from guard.errors import TrainingError
from guard.training.plan import TrainingPlan, make_plan
from guard.training.recipes.tabular import IGNORED, Value, encode, width
from guard.training.units import read_units

ROWS = [dict(row) for row in example_rows(60, seed=3)]
WIDTH = width(example_recipe())


def user_plan(units: int, records: int) -> TrainingPlan:
    recipe = example_recipe()
    recipe = replace(recipe, privacy=replace(recipe.privacy, records_per_user=records))
    return make_plan(recipe, example_dataset(units=units, user=True))


def test_an_example_is_a_row() -> None:
    units = read_units(example_plan(units=60), ROWS)
    assert len(units) == 60
    assert units.features.shape == (60, WIDTH)
    assert (units.features == encode(example_recipe(), ROWS)).all()
    assert [("no", "yes")[label] for label in units.labels] == [row["bought"] for row in ROWS]


@pytest.mark.parametrize("value", [None, "", "maybe", float("nan")])
def test_a_row_without_a_class_stays_a_unit_that_teaches_nothing(value: Value) -> None:
    rows = [{**row, "bought": value} if index == 5 else row for index, row in enumerate(ROWS)]
    units = read_units(example_plan(units=60), rows)
    assert len(units) == 60
    assert (units.labels == IGNORED).sum() == 1 and units.labels[5] == IGNORED


def test_a_user_is_all_their_rows_up_to_the_bound() -> None:
    units = read_units(user_plan(20, 2), ROWS)
    assert units.features.shape == (20, 2, WIDTH)
    assert (units.features.reshape(40, WIDTH) == encode(example_recipe(), ROWS)[np.arange(60) % 3 < 2]).all()


def test_a_user_with_fewer_rows_is_filled_up_with_rows_that_teach_nothing() -> None:
    units = read_units(user_plan(20, 5), ROWS)
    assert units.labels.shape == (20, 5)
    assert (units.labels[:, 3:] == IGNORED).all() and (units.labels[:, :3] != IGNORED).all()
    assert (units.features[:, 3:] == 0).all()


def test_a_users_rows_need_not_stand_together() -> None:
    moved = ROWS[1::3] + ROWS[0::3] + ROWS[2::3]
    units = read_units(user_plan(20, 3), moved)
    together = read_units(user_plan(20, 3), ROWS)
    assert sorted(map(bytes, units.features.sum(axis=1).round(3))) == sorted(
        map(bytes, together.features.sum(axis=1).round(3))
    )


@pytest.mark.parametrize("nobody", [None, "", float("nan")])
def test_a_row_without_a_user_is_refused(nobody: Value) -> None:
    rows = [{**row, "customer": nobody} if index in (4, 9) else row for index, row in enumerate(ROWS)]
    with pytest.raises(TrainingError, match="some rows name no user"):
        read_units(user_plan(20, 3), rows)


@pytest.mark.parametrize("rows", [ROWS[:-1], [*ROWS, ROWS[0]], []], ids=["fewer", "more", "none"])
def test_a_dataset_that_changed_after_registration_is_refused(rows: list[dict[str, Value]]) -> None:
    with pytest.raises(TrainingError, match="the plan says 60: it changed after registration"):
        read_units(example_plan(units=60), rows)


@pytest.mark.parametrize("column", ["age", "bought", "customer"])
def test_a_missing_column_is_named(column: str) -> None:
    rows = [{name: value for name, value in row.items() if name != column} for row in ROWS]
    with pytest.raises(TrainingError, match=f"no column '{column}'"):
        read_units(user_plan(20, 3), rows)


def test_users_that_would_not_fit_in_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.training.units.MOST_VALUES", 20 * 3 * WIDTH - 1)
    with pytest.raises(TrainingError, match="20 users of up to 3 records do not fit"):
        read_units(user_plan(20, 3), ROWS)
    assert len(read_units(user_plan(20, 2), ROWS)) == 20
