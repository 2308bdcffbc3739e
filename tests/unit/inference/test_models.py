"""The model server's half of a call: requests to arrays, answers, and files that were changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import onnx
import pytest
from fastapi.testclient import TestClient
from onnx import TensorProto, helper

from guard.domain.model import ModelVersion, Stage
from guard.errors import ConfigurationError, InvalidRequest, NotFound
from guard.inference.app import make_app
from guard.inference.models import ServedModel, ServedModels
from guard.inference.protocol import read_request


def model_file() -> bytes:
    """Return a model that doubles ``x`` and passes ``s`` on."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])
    s = helper.make_tensor_value_info("s", TensorProto.STRING, ["N", 1])
    doubled = helper.make_tensor_value_info("doubled", TensorProto.FLOAT, ["N", 1])
    said = helper.make_tensor_value_info("said", TensorProto.STRING, ["N", 1])
    nodes = [helper.make_node("Add", ["x", "x"], ["doubled"]), helper.make_node("Identity", ["s"], ["said"])]
    graph = helper.make_graph(nodes, "test", [x, s], [doubled, said])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


CONTENT = model_file()
VERSION = ModelVersion(
    name="tests",
    version=3,
    tenant="default",
    digest=hashlib.sha256(CONTENT).hexdigest(),
    certificate="c" * 64,
    dataset="sha256:d",
    job="j",
    stage=Stage.PRODUCTION,
    card={},
    created=1,
)


class Shelf:
    """One model in production."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.kept = content

    def in_production(self) -> dict[str, ModelVersion]:
        return {"tests": VERSION}

    def content(self, version: ModelVersion) -> bytes:
        assert version == VERSION
        return self.kept


def body(**changes: object) -> bytes:
    inputs: dict[str, dict[str, object]] = {
        "x": {"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 2]},
        "s": {"name": "s", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["ö"]]},
    }
    for name, change in changes.items():
        if isinstance(change, dict):
            inputs[name] = {**inputs.get(name, {"name": name}), **change}
    return json.dumps({"id": "7", "inputs": list(inputs.values())}).encode()


def test_inputs_by_name_give_outputs_by_name() -> None:
    answer = json.loads(ServedModel(VERSION, CONTENT).infer(read_request(body())))
    assert answer == {
        "model_name": "tests",
        "model_version": "3",
        "id": "7",
        "outputs": [
            {"name": "doubled", "datatype": "FP32", "shape": [2, 1], "data": [3.0, 4.0]},
            {"name": "said", "datatype": "BYTES", "shape": [2, 1], "data": ["a", "ö"]},
        ],
    }


def test_only_the_outputs_that_are_asked_for_come_back() -> None:
    asked = json.loads(body())
    asked["outputs"] = [{"name": "said"}]
    answer = json.loads(ServedModel(VERSION, CONTENT).infer(read_request(json.dumps(asked).encode())))
    assert [output["name"] for output in answer["outputs"]] == ["said"]


REFUSED: dict[str, bytes] = {
    "no JSON": b"{",
    "a list": b"[]",
    "deep nesting": b'{"inputs":' + b"[" * 100_000,
    "an unknown member": b'{"inputs": [], "model": "x"}',
    "an input twice": json.dumps({"inputs": [json.loads(body())["inputs"][0]] * 2}).encode(),
    "a missing input": b'{"inputs": []}',
    "an unknown input": body(y={"shape": [1], "datatype": "FP32", "data": [1]}),
    "a shape that the values do not fill": body(x={"data": [1.0]}),
    "a negative shape": body(x={"shape": [-2, -1]}),
    "another rank": body(x={"shape": [2]}),
    "another size": body(x={"shape": [1, 2]}),
    "texts for numbers": body(x={"datatype": "BYTES", "data": ["a", "b"]}),
    "a text among numbers": body(x={"data": [1, "secret"]}),
    "a number among texts": body(s={"data": ["a", 1]}),
    "an object among values": body(x={"data": [1, {}]}),
    "no datatype": body(x={"datatype": "FP128"}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_without_its_data(what: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ServedModel(VERSION, CONTENT).infer(read_request(REFUSED[what]))
    assert "secret" not in refused.value.message


def test_a_file_that_was_changed_is_not_served() -> None:
    changed = bytearray(CONTENT)
    changed[-1] ^= 1
    with pytest.raises(ConfigurationError, match="not the one that was registered"):
        ServedModels(Shelf(bytes(changed))).find("tests")


def test_only_what_is_in_production_is_found() -> None:
    with pytest.raises(NotFound):
        ServedModels(Shelf()).find("other")


def test_a_version_is_loaded_once() -> None:
    models = ServedModels(Shelf())
    assert models.find("tests") is models.find("tests")


def test_the_server_speaks_the_protocol() -> None:
    with TestClient(make_app(ServedModels(Shelf()))) as client:
        assert client.get("/v2/health/ready").json() == {"ready": True}
        described = client.get("/v2/models/tests").json()
        assert described["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, 1]}
        answer = client.post("/v2/models/tests/infer", content=body())
        assert answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [3.0, 4.0]
        assert client.post("/v2/models/tests/infer", content=b"{").status_code == 400
        assert client.post("/v2/models/other/infer", content=body()).status_code == 404
    with TestClient(make_app(ServedModels(Shelf(b"x")))) as client:
        answer = client.post("/v2/models/tests/infer", content=body())
        assert answer.status_code == 503 and "registered" in answer.json()["error"]


def test_another_digest_is_another_model() -> None:
    with pytest.raises(ConfigurationError):
        ServedModel(replace(VERSION, digest="0" * 64), CONTENT)
