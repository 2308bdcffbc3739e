"""The benchmarks of training, once and briefly: the same functions, one run each."""

from __future__ import annotations

import random
import secrets
from pathlib import Path

import pytest

from benchmarks.training.adult import DATA, RECIPE, adult_rows, run
from benchmarks.training.selftest import some_plan
from guard.training.recipe import Category, load_recipe
from guard.training.selftest import run_selftest


@pytest.mark.usefixtures("shared_data")
def test_the_shipped_recipe_learns_adult_privately() -> None:
    found = run(adult_rows(), seed=20_261_124)
    # The benchmark asks for 84.4 and 0.635; a test allows a run one bad draw of noise.
    assert found.accuracy > 0.835
    assert found.f1 > 0.615
    assert found.plan.spent(found.plan.mechanism.steps) < 1.005


def test_the_table_is_the_one_that_the_recipe_is_written_for(shared_data: Path) -> None:
    assert shared_data in DATA.parents
    recipe = load_recipe(RECIPE.read_bytes())
    rows = adult_rows()
    for feature in recipe.features:
        if isinstance(feature, Category):
            strangers = {row[feature.column] for row in rows} - set(feature.vocabulary)
            assert strangers <= {"?"}, feature.column
    assert {row[recipe.target.column] for row in rows} == set(recipe.target.classes)


@pytest.mark.parametrize(
    "seed", [1, secrets.randbelow(2**32)], ids=lambda seed: f"seed {seed}" if seed == 1 else "random seed"
)
def test_a_right_trainer_passes_under_any_plan(seed: int) -> None:
    plan = some_plan(random.Random(seed))
    found = run_selftest(plan)
    assert found.passed, (seed, plan.mechanism, found)
