"""Rows as vectors: by public bounds and vocabularies alone, whatever stands in a row."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.training.example import example_recipe, example_rows
from guard.training.recipes.tabular import Value, encode, feature_width, label_index, probabilities, width

RECIPE = example_recipe()
ROW: dict[str, Value] = {"visits": 3, "spent": 50.0, "age": 30, "channel": "web"}


def places(column: str, value: Value) -> list[float]:
    """Return a feature's places, before the row was scaled."""
    row = encode(RECIPE, [{**ROW, column: value}])[0]
    start = 0
    for feature in RECIPE.features:
        end = start + feature_width(feature)
        if feature.column == column:
            return [float(place) for place in row[start:end] / row[-1]]
        start = end
    raise AssertionError(column)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("channel", "web", [1, 0, 0, 0]),
        ("channel", "phone", [0, 0, 1, 0]),
        ("channel", "fax", [0, 0, 0, 1]),
        ("channel", "?", [0, 0, 0, 1]),
        ("channel", "", [0, 0, 0, 1]),
        ("channel", None, [0, 0, 0, 1]),
        ("channel", 7, [0, 0, 0, 1]),
        ("visits", 0, [1, 0, 0, 0, 0]),
        ("visits", 2, [0, 1, 0, 0, 0]),
        ("visits", 4.99, [0, 1, 0, 0, 0]),
        ("visits", "5", [0, 0, 1, 0, 0]),
        ("visits", -1, [1, 0, 0, 0, 0]),
        ("visits", 1000, [0, 0, 0, 1, 0]),
        ("visits", float("inf"), [0, 0, 0, 1, 0]),
        ("visits", 1e300, [0, 0, 0, 1, 0]),
        ("visits", 10**400, [0, 0, 0, 0, 1]),
        ("visits", float("nan"), [0, 0, 0, 0, 1]),
        ("visits", None, [0, 0, 0, 0, 1]),
        ("visits", "", [0, 0, 0, 0, 1]),
        ("visits", "many", [0, 0, 0, 0, 1]),
        ("age", 18, [0, 0]),
        ("age", 58, [0.5, 0]),
        ("age", 98, [1, 0]),
        ("age", 17, [0, 0]),
        ("age", 99, [1, 0]),
        ("age", None, [0, 1]),
        ("spent", 0, [0, 0]),
        ("spent", 1000, [1, 0]),
        ("spent", 1001**0.5 - 1, [0.5, 0]),
    ],
)
def test_a_value_has_its_places(column: str, value: Value, expected: list[float]) -> None:
    assert places(column, value) == pytest.approx(expected, abs=1e-6)


def test_every_row_has_length_one() -> None:
    rows = encode(RECIPE, [*example_rows(50, seed=1), dict.fromkeys(ROW, None)])
    assert rows.shape == (51, width(RECIPE)) and rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(np.ones(51), abs=1e-6)


def test_a_row_is_encoded_alike_whoever_stands_beside_it() -> None:
    rows = example_rows(50, seed=2)
    whole = encode(RECIPE, rows)
    for index in (0, 17, 49):
        assert (encode(RECIPE, [rows[index]])[0] == whole[index]).all()


def test_no_rows_are_no_rows() -> None:
    assert encode(RECIPE, []).shape == (0, width(RECIPE))


def test_classes_are_numbered_in_order() -> None:
    assert label_index(RECIPE) == {"no": 0, "yes": 1}


def test_probabilities_are_those_of_a_softmax() -> None:
    weights = np.array([[1.0, 0.0], [0.0, 1000.0]], np.float32)
    found = probabilities(np.array([[0.0, 0.0], [1.0, 1.0]], np.float32), weights)
    assert found == pytest.approx(np.array([[0.5, 0.5], [0.0, 1.0]]))
