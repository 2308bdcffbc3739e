"""Recipes that would stall or exhaust a worker, and names that nobody could call."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.training.example import RECIPE, example_dataset, example_recipe
from guard.errors import ConfigurationError, TrainingError
from guard.training.plan import make_plan
from guard.training.recipe import Category, load_recipe

TEXT = RECIPE.decode()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../up",
        "a b",
        "a/b",
        "a\\u0000",
        "-a",
        ".a",
        "x" * 65,
        "maria@kestrel-labs.com",
        "größe",
        "demo:1",
    ],
)
def test_a_model_is_named_as_an_address_can_hold_it(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"r\.yaml:4:\d+: a model's name"):
        load_recipe(TEXT.replace("name: example", f'name: "{name}"').encode(), file="r.yaml")


@pytest.mark.parametrize("column", ["", "a\\nb", "x" * 129])
def test_a_column_is_named_as_a_tensor_can_be(column: str) -> None:
    with pytest.raises(ConfigurationError, match="printable characters"):
        load_recipe(TEXT.replace("column: channel", f'column: "{column}"').encode())


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("column: bought", 'column: "a\\e[2J"'),
        ("averaging: 0.9}", 'averaging: 0.9}\n  card: {owner: "a\\e[2J"}'),
    ],
)
def test_what_is_shown_on_terminals_holds_no_escape(right: str, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"printable|plain text"):
        load_recipe(TEXT.replace(right, wrong).encode())


def test_a_card_may_have_lines_and_every_script() -> None:
    card = 'averaging: 0.9}\n  card: {limits: "one\\ntwo, größer 城市"}'
    assert load_recipe(TEXT.replace("averaging: 0.9}", card).encode()).card == (
        ("limits", "one\ntwo, größer 城市"),
    )


def test_a_column_may_be_named_as_people_write() -> None:
    recipe = load_recipe(TEXT.replace("column: channel", 'column: "Größe (cm), 城市 %"').encode())
    assert recipe.features[-1].column == "Größe (cm), 城市 %"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("sample_rate: -0.1", "expected a number from 0 to 1"),
        ("sample_rate: 1.1", "expected a number from 0 to 1"),
        ("sample_rate: 0", "expected a number above 0"),
        ("expected_batch: 0", "expected a number from 1"),
        ("expected_batch: -5", "expected a number from 1"),
    ],
)
def test_a_rate_is_a_probability(wrong: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_recipe(TEXT.replace("sample_rate: 0.2", wrong).encode())


@pytest.mark.parametrize("wrong", ["1e9", "101", "-1", "0", "1e-999"])
def test_an_epsilon_that_promises_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a number"):
        load_recipe(TEXT.replace("epsilon: 2", f"epsilon: {wrong}").encode())


@pytest.mark.parametrize("steps", ["0", "-1", "2000000"])
def test_steps_are_counted(steps: str) -> None:
    with pytest.raises(ConfigurationError, match="expected a number from 1 to"):
        load_recipe(TEXT.replace("steps: 60", f"steps: {steps}").encode())


def test_a_huge_vocabulary_is_refused() -> None:
    words = ", ".join(f"w{number}" for number in range(20_001))
    with pytest.raises(ConfigurationError, match="more than 20000 words and edges"):
        load_recipe(TEXT.replace("web, shop, phone", words).encode())


@pytest.mark.parametrize("trick", ["&a [web, *a]", "!!python/object:os.system x", "[web, <<: *x]"])
def test_yaml_has_no_tricks(trick: str) -> None:
    with pytest.raises(ConfigurationError):
        load_recipe(TEXT.replace("[web, shop, phone]", trick).encode())


def test_what_no_memory_holds_is_refused_before_anything_is_reserved() -> None:
    recipe = example_recipe()
    words = tuple(f"w{number}" for number in range(20_000))
    wide = replace(recipe, features=(Category(column="channel", vocabulary=words),))
    with pytest.raises(TrainingError, match="take fewer words"):
        make_plan(replace(wide, privacy=replace(recipe.privacy, delta=1e-9)), example_dataset(units=200_000))
    many = replace(wide, target=replace(recipe.target, classes=tuple(f"c{n}" for n in range(200_000))))
    with pytest.raises(TrainingError, match="take fewer words"):
        make_plan(many, example_dataset(units=100))


def test_users_without_bound_are_refused_and_users_are_bounded_by_a_number() -> None:
    with pytest.raises(TrainingError, match="users without bound are refused"):
        make_plan(example_recipe(), example_dataset(units=100, user=True))
    for wrong in ("0", "1001", "many"):
        with pytest.raises(ConfigurationError):
            load_recipe(TEXT.replace("norm: 0.5", f"norm: 0.5, records_per_user: {wrong}").encode())
