"""A trained recipe as one ONNX file that takes the dataset's own columns.

The graph holds the whole encoder, so that serving needs onnxruntime alone: texts come in
as strings, numbers as single precision (NaN is "missing"), each of shape ``[batch]`` and
named as its column. Out come ``label`` and ``probabilities``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from guard.errors import TrainingError
from guard.training.plan import TrainingPlan
from guard.training.recipe import Category, Feature, Number, Scale
from guard.training.recipes.tabular import feature_width

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto, ValueInfoProto

__all__ = ["LABEL", "PROBABILITIES", "to_onnx"]

LABEL = "label"
PROBABILITIES = "probabilities"
OPSET = 18
ML_OPSET = 3
IR_VERSION = 9
"""Read by every onnxruntime from 1.17 on."""


def to_onnx(plan: TrainingPlan, weights: NDArray[np.float32]) -> bytes:
    """Return the ONNX file of a linear model; ``weights`` has one row a class.

    Raises ``TrainingError`` for a column that is named like an output.
    """
    from onnx import TensorProto, helper

    recipe = plan.recipe
    if {LABEL, PROBABILITIES} & {feature.column for feature in recipe.features}:
        raise TrainingError(f"a feature column may not be named {LABEL} or {PROBABILITIES}")
    graph = _Graph()
    blocks = [_block(graph, feature) for feature in recipe.features]
    _classify(graph, graph.add("Concat", *blocks, axis=1), weights, recipe.target.classes)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            recipe.name,
            [_input(feature) for feature in recipe.features],
            [
                helper.make_tensor_value_info(LABEL, TensorProto.STRING, ["batch"]),
                helper.make_tensor_value_info(
                    PROBABILITIES, TensorProto.FLOAT, ["batch", len(recipe.target.classes)]
                ),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="guard",
    )
    helper.set_model_props(model, {"guard.plan": plan.digest})
    return bytes(model.SerializeToString(deterministic=True))


@dataclass(slots=True)
class _Graph:
    """Nodes and constants in order; each node's output gets a name that no column has."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: object) -> str:
        """Add a node and return its output's name."""
        from onnx import helper

        name = output or f"guard:{len(self.nodes)}"
        domain = "ai.onnx.ml" if operator == "LabelEncoder" else ""
        node = helper.make_node(operator, list(inputs), [name], domain=domain)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return name

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"guard:constant:{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def single(self, value: float) -> str:
        """Add one number in single precision."""
        return self.constant(np.array(value, np.float32))

    def whole(self, *values: int) -> str:
        """Add whole numbers, as axes and places are given."""
        return self.constant(np.array(values, np.int64))

    def one_hot(self, places: str, width: int) -> str:
        """Add a block with a one at each place."""
        zero_one = self.constant(np.array([0, 1], np.float32))
        return self.add("OneHot", places, self.whole(width), zero_one, axis=1)

    def column(self, vector: str) -> str:
        """Make a vector a column."""
        return self.add("Unsqueeze", vector, self.whole(1))


def _input(feature: Feature) -> ValueInfoProto:
    from onnx import TensorProto, helper

    kind = TensorProto.STRING if isinstance(feature, Category) else TensorProto.FLOAT
    return helper.make_tensor_value_info(feature.column, kind, ["batch"])


def _block(graph: _Graph, feature: Feature) -> str:
    if isinstance(feature, Category):
        other = len(feature.vocabulary)
        places = graph.add(
            "LabelEncoder",
            feature.column,
            keys_strings=list(feature.vocabulary),
            values_int64s=list(range(other)),
            default_int64=other,
        )
        return graph.one_hot(places, feature_width(feature))
    missing = graph.add("IsNaN", feature.column)
    low, high = graph.single(feature.low), graph.single(feature.high)
    clipped = graph.add("Clip", graph.add("Where", missing, low, feature.column), low, high)
    if feature.bins:
        return graph.one_hot(_bin(graph, feature, clipped, missing), feature_width(feature))
    scaled = graph.add("Where", missing, graph.single(0), _scaled(graph, feature, clipped, low, high))
    absent = graph.add("Cast", missing, to=1)
    return graph.add("Concat", graph.column(scaled), graph.column(absent), axis=1)


def _bin(graph: _Graph, feature: Number, clipped: str, missing: str) -> str:
    edges = graph.constant(np.array([feature.bins], np.float32))
    reached = graph.add("Cast", graph.add("GreaterOrEqual", graph.column(clipped), edges), to=7)
    above = graph.add("ReduceSum", reached, graph.whole(1), keepdims=0)
    return graph.add("Where", missing, graph.whole(len(feature.bins) + 1), above)


def _scaled(graph: _Graph, feature: Number, clipped: str, low: str, high: str) -> str:
    part, whole = graph.add("Sub", clipped, low), graph.add("Sub", high, low)
    if feature.scale is Scale.LOG:
        one = graph.single(1)
        part, whole = (graph.add("Log", graph.add("Add", value, one)) for value in (part, whole))
    return graph.add("Div", part, whole)


def _classify(graph: _Graph, block: str, weights: NDArray[np.float32], classes: Sequence[str]) -> None:
    """Add the linear softmax. The encoding's constant 1 becomes a bias, its length a division."""
    features, bias = np.ascontiguousarray(weights[:, :-1].T), np.ascontiguousarray(weights[:, -1])
    scores = graph.add("Gemm", block, graph.constant(features), graph.constant(bias))
    squares = graph.add("ReduceSumSquare", block, graph.whole(1), keepdims=1)
    length = graph.add("Sqrt", graph.add("Add", squares, graph.single(1)))
    graph.add("Softmax", graph.add("Div", scores, length), output=PROBABILITIES, axis=1)
    best = graph.add("ArgMax", PROBABILITIES, axis=1, keepdims=0)
    graph.add(
        "LabelEncoder",
        best,
        output=LABEL,
        keys_int64s=list(range(len(classes))),
        values_strings=list(classes),
        default_string=classes[0],
    )
