"""The exported graph says of raw columns what the trained model says of encoded rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from benchmarks.training.example import example_plan, example_rows
from guard.errors import TrainingError
from guard.training.export import to_onnx
from guard.training.recipe import Category, Recipe
from guard.training.recipes.tabular import Value, encode, probabilities, weights_of, width
from tests.unit.training.conftest import Trained

Rows = Sequence[Mapping[str, Value]]


def run(content: bytes, recipe: Recipe, rows: Rows) -> tuple[NDArray[np.object_], NDArray[np.float32]]:
    """Ask onnxruntime, as a server would."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    feeds: dict[str, NDArray[np.object_] | NDArray[np.float32]] = {}
    for feature in recipe.features:
        values = [row[feature.column] for row in rows]
        if isinstance(feature, Category):
            feeds[feature.column] = np.array(["" if v is None else str(v) for v in values], object)
        else:
            feeds[feature.column] = np.array([math.nan if v is None else v for v in values], np.float32)
    label, scores = session.run(["label", "probabilities"], feeds)
    return label, scores


def awkward() -> Rows:
    plain: dict[str, Value] = {"visits": 3, "spent": 50.0, "age": 30, "channel": "web"}
    edges: list[tuple[str, Value]] = [
        ("visits", None), ("visits", -5), ("visits", 2), ("visits", 5), ("visits", 10), ("visits", 1e9),
        ("visits", 4.999999), ("spent", None), ("spent", 0), ("spent", 1000), ("spent", math.inf),
        ("spent", -math.inf), ("age", None), ("age", 18), ("age", 98), ("age", 17.5),
        ("channel", None), ("channel", ""), ("channel", "?"), ("channel", "WEB"), ("channel", "shöp"),
    ]  # fmt: skip
    return [{**plain, column: value} for column, value in edges]


@pytest.mark.parametrize("rows", [example_rows(500, seed=9), awkward()], ids=["ordinary", "awkward"])
def test_the_graph_scores_raw_columns_as_the_model_scores_encoded_rows(trained: Trained, rows: Rows) -> None:
    recipe = trained.plan.recipe
    expected = probabilities(encode(recipe, rows), weights_of(recipe, trained.state))
    label, scores = run(trained.onnx, recipe, rows)
    assert scores == pytest.approx(expected, abs=1e-5)
    assert list(label) == [recipe.target.classes[index] for index in scores.argmax(axis=1)]


def test_large_weights_are_scored_alike() -> None:
    plan = example_plan()
    weights = np.random.default_rng(3).normal(scale=30, size=(2, width(plan.recipe))).astype(np.float32)
    rows = example_rows(200, seed=10)
    expected = probabilities(encode(plan.recipe, rows), weights)
    assert run(to_onnx(plan, weights), plan.recipe, rows)[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_a_batch_may_be_of_any_size(trained: Trained, count: int) -> None:
    label, scores = run(trained.onnx, trained.plan.recipe, example_rows(count, seed=1))
    assert label.shape == (count,) and scores.shape == (count, 2)


def test_inputs_are_the_columns_by_their_names(trained: Trained) -> None:
    session = onnxruntime.InferenceSession(trained.onnx, providers=["CPUExecutionProvider"])
    assert {item.name: item.type for item in session.get_inputs()} == {
        "visits": "tensor(float)",
        "spent": "tensor(float)",
        "age": "tensor(float)",
        "channel": "tensor(string)",
    }
    assert all(item.shape == ["batch"] for item in session.get_inputs())
    assert session.get_modelmeta().custom_metadata_map == {"guard.plan": trained.plan.digest}


def test_the_file_is_valid_and_the_same_every_time(trained: Trained) -> None:
    onnx.checker.check_model(onnx.load_from_string(trained.onnx), full_check=True)
    assert to_onnx(trained.plan, weights_of(trained.plan.recipe, trained.state)) == trained.onnx


def test_more_classes_than_two_are_named() -> None:
    plan = example_plan()
    target = replace(plan.recipe.target, classes=("no", "yes", "later"))
    plan = replace(plan, recipe=replace(plan.recipe, target=target))
    weights = np.zeros((3, width(plan.recipe)), np.float32)
    weights[2, -1] = 5
    label, scores = run(to_onnx(plan, weights), plan.recipe, example_rows(4, seed=1))
    assert list(label) == ["later"] * 4 and scores.shape == (4, 3)


@pytest.mark.parametrize("name", ["label", "probabilities"])
def test_a_column_named_like_an_output_is_refused(name: str) -> None:
    plan = example_plan()
    features = (replace(plan.recipe.features[0], column=name), *plan.recipe.features[1:])
    plan = replace(plan, recipe=replace(plan.recipe, features=features))
    with pytest.raises(TrainingError, match="may not be named"):
        to_onnx(plan, np.zeros((2, width(plan.recipe)), np.float32))
