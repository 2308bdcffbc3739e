"""Recipes as written: what is read, and what every mistake is told, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training.example import RECIPE, example_recipe
from guard.errors import ConfigurationError
from guard.training.recipe import Category, Number, Scale, load_recipe

ADULT = Path(__file__).parents[3] / "guard" / "training" / "recipes" / "adult.yaml"


def test_a_recipe_is_read_into_what_it_says() -> None:
    recipe = example_recipe()
    assert recipe.name == "example"
    assert recipe.target.classes == ("no", "yes")
    visits, spent, age, channel = recipe.features
    assert visits == Number(column="visits", low=0, high=20, scale=Scale.LINEAR, bins=(2, 5, 10))
    assert isinstance(spent, Number) and spent.scale is Scale.LOG
    assert isinstance(age, Number) and age.bins == ()
    assert channel == Category(column="channel", vocabulary=("web", "shop", "phone"))
    assert recipe.privacy.delta == 1e-5, "a number without a dot is a number"


def test_what_is_left_out_has_a_default() -> None:
    schedule = example_recipe().schedule
    assert (schedule.steps, schedule.checkpoint_every, schedule.spare_steps) == (60, 1, 2)
    assert schedule.expected_batch is None


def test_the_shipped_recipe_is_read() -> None:
    recipe = load_recipe(ADULT.read_bytes(), file=ADULT.name)
    assert recipe.target.column == "Salary"
    assert len(recipe.features) == 13
    words = {f.column: len(f.vocabulary) for f in recipe.features if isinstance(f, Category)}
    # UCI's own description of the data lists so many values for each column.
    assert words == {
        "workclass": 8, "education": 16, "marital-status": 7, "occupation": 14,
        "relationship": 6, "race": 5, "sex": 2, "native-country": 41,
    }  # fmt: skip


# What is replaced, by what, the text that the error must point at, what it must say.
MISTAKES = [
    ("epsilon: 2", "epsilon: 0", "0, delta", "expected a number above 0"),
    ("epsilon: 2", "epsilon: many", "many", "expected a number"),
    ("delta: 1e-5", "delta: 0.5", "0.5, max", "expected a number from 0 to 0.01"),
    ("max_grad_norm: 0.5", "max_grad_norm: .inf", ".inf", "expected a plain number"),
    ("max_grad_norm: 0.5", "max_grad_norm: .nan", ".nan", "expected a plain number"),
    ("max_grad_norm: 0.5", "max_grad_norm: 1e999", "1e999", "expected a number from 0 to 1e+06"),
    ("norm: 0.5", "norm: 0.5, records_per_user: 0", "0}\n  schedule", "expected a number from 1 to 1000"),
    ("steps: 60", "steps: 1.5", "1.5", "expected a whole number"),
    ("steps: 60", "step: 60", "{sample_rate", "'steps' is missing"),
    ("sample_rate: 0.2, ", "", "{steps", "expected either expected_batch or sample_rate"),
    ("sample_rate: 0.2", "sample_rate: 0.2, expected_batch: 9", "{sample", "expected either"),
    ("momentum: 0.9", "momentum: 1", "1, averaging", "expected a number from 0 to 0.999"),
    ("momentum: 0.9", "mumentum: 0.9", "mumentum", "'mumentum' is not known; did you mean 'momentum'?"),
    ("low: 18, high: 98", "low: 98, high: 18", "18}", "expected high above low"),
    (
        "low: 18, high: 98",
        "low: 18",
        "{column: age",
        "needs a vocabulary, or low and high; they must be public",
    ),
    ("bins: [2, 5, 10]", "bins: [2, 2]", "2]}", "edges must rise"),
    ("bins: [2, 5, 10]", "bins: [0]", "0]}", "edges must rise, from above low"),
    ("bins: [2, 5, 10]", "bins: [30]", "30]", "expected a number from 0 to 20"),
    ("bins: [2, 5, 10]", "bins: [2], scale: log", "log}", "bins or scale, not both"),
    ("scale: log", "scale: lag", "lag", "'lag' is not known; did you mean 'log'?"),
    ("column: age", "column: spent", "{column: spent, low: 18", "a second feature reads 'spent'"),
    ("column: age", "column: bought", "{column: bought, low", "'bought' is the target, so it is no feature"),
    ('["no", "yes"]', '["no"]', '["no"]', "expected at least 2 words"),
    ('["no", "yes"]', '["yes", "yes"]', '"yes"]', "'yes' stands here twice"),
    ("[web, shop, phone]", "[]", "[]", "expected at least 1 words"),
    ("[web, shop, phone]", "[web, 1.5]", "1.5", "expected a text"),
    ("tabular-classification", "images", "images", "'images' is not known"),
    ("kind: TrainingRecipe", "kind: Recipe", "Recipe\n", "'Recipe' is not known"),
    ("dataset: example", "dataset: example\n  noise_seed: 71", "noise_seed", "'noise_seed' is not known"),
]


@pytest.mark.parametrize(("right", "wrong", "at", "message"), MISTAKES, ids=[row[1] for row in MISTAKES])
def test_a_mistake_is_told_with_its_place(right: str, wrong: str, at: str, message: str) -> None:
    assert right in RECIPE.decode()
    text = RECIPE.decode().replace(right, wrong, 1)
    before = text[: text.index(at)]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    with pytest.raises(ConfigurationError) as caught:
        load_recipe(text.encode(), file="r.yaml")
    assert caught.value.message.startswith(f"r.yaml:{line}:{column}: ")
    assert message in caught.value.message


def test_a_recipe_without_features_is_refused() -> None:
    head, _, _ = RECIPE.decode().partition("    - {column: visits")
    _, _, tail = RECIPE.decode().partition("phone]}\n")
    text = head.replace("features:\n", "features: []\n") + tail
    with pytest.raises(ConfigurationError, match="at least one feature"):
        load_recipe(text.encode())
