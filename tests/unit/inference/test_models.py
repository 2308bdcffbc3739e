"""The model server's half of a call: requests to arrays, answers, and files that were changed."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace

import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient
from onnx import TensorProto, helper

from guard.domain.canonical import Json, canonical
from guard.domain.certificate import FORMAT, signed_bytes
from guard.domain.model import ModelVersion, Stage
from guard.errors import ConfigurationError, InvalidRequest, NotFound
from guard.inference.app import make_app
from guard.inference.models import ServedModel, ServedModels
from guard.inference.protocol import read_request
from guard.keys.keyring import Signer
from guard.upstream.reasons import REASONS, told


def model_file() -> bytes:
    """Return a model that doubles ``x`` and passes ``s`` and ``n`` on."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1])
    s = helper.make_tensor_value_info("s", TensorProto.STRING, ["N", 1])
    doubled = helper.make_tensor_value_info("doubled", TensorProto.FLOAT, ["N", 1])
    said = helper.make_tensor_value_info("said", TensorProto.STRING, ["N", 1])
    n = helper.make_tensor_value_info("n", TensorProto.INT64, ["M"])
    counted = helper.make_tensor_value_info("counted", TensorProto.INT64, ["M"])
    nodes = [
        helper.make_node("Add", ["x", "x"], ["doubled"]),
        helper.make_node("Identity", ["s"], ["said"]),
        helper.make_node("Identity", ["n"], ["counted"]),
    ]
    graph = helper.make_graph(nodes, "test", [x, s, n], [doubled, said, counted])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


CONTENT = model_file()
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER_SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def certificate(signer: Signer = SIGNER, **changes: Json) -> bytes:
    """Return a certificate as far as the server reads it."""
    said: dict[str, Json] = {
        "format": FORMAT,
        "model": hashlib.sha256(CONTENT).hexdigest(),
        "job": "j",
        "dataset": {"id": "sha256:d", "root": "sha256:r"},
        **changes,
    }
    signature = base64.b64encode(signer.sign(signed_bytes(said))).decode()
    return canonical({"certificate": said, "key": "", "signature": signature})


VERSION = ModelVersion(
    name="tests",
    version=3,
    tenant="default",
    digest=hashlib.sha256(CONTENT).hexdigest(),
    certificate=hashlib.sha256(certificate()).hexdigest(),
    dataset="sha256:d",
    job="j",
    stage=Stage.PRODUCTION,
    card={},
    created=1,
)


class Shelf:
    """Models in production, all of one file."""

    def __init__(self, *versions: ModelVersion, content: bytes = CONTENT, proof: bytes | None = None) -> None:
        self._versions = {version.name: version for version in versions or (VERSION,)}
        self._content = content
        self._proof = certificate() if proof is None else proof

    def in_production(self) -> dict[str, ModelVersion]:
        return self._versions

    def content(self, version: ModelVersion) -> bytes:
        return self._content

    def certificate(self, version: ModelVersion) -> bytes:
        return self._proof


def served(shelf: Shelf) -> ServedModels:
    return ServedModels(shelf, public=SIGNER.public)


def server(shelf: Shelf) -> TestClient:
    return TestClient(make_app(served(shelf)), raise_server_exceptions=False)


def body(**changes: object) -> bytes:
    inputs: dict[str, dict[str, object]] = {
        "x": {"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 2]},
        "s": {"name": "s", "shape": [2, 1], "datatype": "BYTES", "data": [["a"], ["ö"]]},
        "n": {"name": "n", "shape": [2], "datatype": "INT64", "data": [7, 7]},
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
            {"name": "counted", "datatype": "INT64", "shape": [2], "data": [7, 7]},
        ],
    }


def test_only_the_outputs_that_are_asked_for_come_back() -> None:
    asked = json.loads(body())
    asked["outputs"] = [{"name": "said"}]
    answer = json.loads(ServedModel(VERSION, CONTENT).infer(read_request(json.dumps(asked).encode())))
    assert [output["name"] for output in answer["outputs"]] == ["said"]


FEW: dict[str, object] = {"shape": [1], "datatype": "FP32", "data": [1]}
REFUSED: dict[str, tuple[bytes, str, str | None]] = {
    "no JSON": (b"{", "invalid_request", None),
    "NaN": (body().replace(b"1.5", b"NaN"), "invalid_request", None),
    "not UTF-8": (b'{"inputs": [], "id": "\xff"}', "invalid_request", None),
    "a list": (b"[]", "invalid_request", None),
    "deep nesting": (b'{"inputs":' + b"[" * 100_000, "invalid_request", None),
    "an unknown member": (b'{"inputs": [], "model": "x"}', "invalid_request", None),
    "an input twice": (body(again={"name": "x", **FEW}), "input_twice", "inputs[3]"),
    "a missing input": (b'{"inputs": []}', "inputs_missing", None),
    "an unknown input": (body(y=FEW), "input_unknown", "inputs[3]"),
    "too few values": (body(x={"data": [1.0]}), "shape_unfilled", "inputs[0]"),
    "a negative shape": (body(x={"shape": [-2, -1]}), "shape_unfilled", "inputs[0]"),
    "a shape beyond all": (body(x={"shape": [2**62, 2**62]}), "shape_unfilled", "inputs[0]"),
    "another rank": (body(x={"shape": [2]}), "shape_other", "inputs[0]"),
    "another size": (body(x={"shape": [1, 2]}), "shape_other", "inputs[0]"),
    "other sizes": (body(s={"shape": [1, 1], "data": ["a"]}), "sizes_differ", "inputs[1]"),
    "texts for numbers": (body(x={"datatype": "BYTES", "data": ["a", "b"]}), "datatype_other", "inputs[0]"),
    "a text among numbers": (body(x={"data": [1, "secret"]}), "value_other", "inputs[0]"),
    "a truth among numbers": (body(x={"data": [1, True]}), "value_other", "inputs[0]"),
    "a number among texts": (body(s={"data": ["a", 1]}), "value_other", "inputs[1]"),
    "an object among values": (body(x={"data": [1, {}]}), "data_nested", "inputs[0]"),
    "nested data": (body(x={"data": json.loads("[" * 30 + "1" + "]" * 30)}), "data_nested", "inputs[0]"),
    "no datatype": (body(x={"datatype": "FP128"}), "datatype_unknown", "inputs[0]"),
    "a fraction for a whole number": (body(n={"data": [1.5, 2]}), "value_other", "inputs[2]"),
    "nothing for a whole number": (body(n={"data": [None, 2]}), "value_other", "inputs[2]"),
    "a number beyond 64 bits": (body(n={"data": [2**63, 2]}), "value_other", "inputs[2]"),
    "an unknown output": (body()[:-1] + b', "outputs": [{"name": "secret"}]}', "output_unknown", None),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused_with_a_reason_and_without_its_data(what: str) -> None:
    sent, reason, place = REFUSED[what]
    with pytest.raises(InvalidRequest) as refused:
        ServedModel(VERSION, CONTENT).infer(read_request(sent))
    assert (refused.value.code, refused.value.position) == (reason, place)
    assert "secret" not in refused.value.message and reason in REASONS


def test_an_input_of_too_many_values_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.inference.protocol.MAX_VALUES", 3)
    sent = body(x={"shape": [4, 1], "data": [[1], [2], [3], [4]]})
    with pytest.raises(InvalidRequest) as refused:
        ServedModel(VERSION, CONTENT).infer(read_request(sent))
    assert refused.value.code == "too_many_values"


def test_what_is_missing_is_nan_among_numbers_and_empty_among_texts() -> None:
    sent = body(x={"data": [None, 1e300]}, s={"data": [None, "b"]})
    answer = json.loads(ServedModel(VERSION, CONTENT).infer(read_request(sent)))
    assert [output["data"] for output in answer["outputs"]] == [[None, None], ["", "b"], [7, 7]]


def test_nothing_in_gives_nothing_out() -> None:
    empty = {"shape": [0, 1], "data": []}
    answer = json.loads(
        ServedModel(VERSION, CONTENT).infer(read_request(body(x=empty, s=empty, n={**empty, "shape": [0]})))
    )
    assert [output["data"] for output in answer["outputs"]] == [[], [], []]


def test_what_the_library_says_stays_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def run(self, *_: object) -> None:
            raise RuntimeError("secret")

    model = ServedModel(VERSION, CONTENT)
    monkeypatch.setattr(model, "_session", Broken())
    with pytest.raises(InvalidRequest, match="cannot take these inputs together") as refused:
        model.infer(read_request(body()))
    assert refused.value.__cause__ is None and refused.value.__suppress_context__


def test_only_what_is_in_production_is_found() -> None:
    with pytest.raises(NotFound):
        served(Shelf()).find("other")


def test_a_version_is_loaded_once() -> None:
    models = served(Shelf())
    assert models.find("tests") is models.find("tests")


def test_only_the_last_few_stay_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.inference.models.LOADED", 2)
    models = served(Shelf(*(replace(VERSION, name=name) for name in "abc")))
    first = models.find("a")
    models.find("b")
    assert models.find("a") is first
    models.find("c")
    assert models.find("a") is first, "used last but one"
    assert models.find("a").version.name == "a" and models.find("b").version.name == "b"


def test_the_server_speaks_the_protocol() -> None:
    with server(Shelf()) as client:
        assert client.get("/v2/health/ready").json() == {"ready": True}
        described = client.get("/v2/models/tests").json()
        assert described["inputs"][0] == {"name": "x", "datatype": "FP32", "shape": [-1, 1]}
        answer = client.post("/v2/models/tests/infer", content=body())
        assert answer.status_code == 200 and answer.json()["outputs"][0]["data"] == [3.0, 4.0]
        assert client.post("/v2/models/other/infer", content=body()).status_code == 404
        assert client.post("/v2/models/other").status_code == 405
        assert client.get("/docs").status_code == 404


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_its_reason_in_a_header(what: str) -> None:
    sent, reason, place = REFUSED[what]
    with server(Shelf()) as client:
        answer = client.post("/v2/models/tests/infer", content=sent)
    assert answer.status_code == 400
    assert told(answer.headers) == (REASONS[reason], place)
    assert "secret" not in answer.text


def test_a_body_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.inference.app.MAX_BODY", 100)
    with server(Shelf()) as client:
        answer = client.post("/v2/models/tests/infer", content=b" " * 101)
    assert answer.status_code == 400 and told(answer.headers)[0] == REASONS["body_too_large"]


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "a%2Fb",
        "%00",
        "%F0%9F%98%80",
        "tests%20",
        "TESTS",
        "x" * 300,
        "tests/versions/1",
        "maria@kestrel-labs.com",
    ],
)
def test_an_odd_name_is_no_model_and_is_not_repeated(name: str) -> None:
    with server(Shelf()) as client:
        answer = client.post(f"/v2/models/{name}/infer", content=body())
    assert answer.status_code == 404 and "kestrel" not in answer.text


CHANGED: dict[str, tuple[Shelf, str]] = {
    "the file": (Shelf(content=CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])), "the file of model tests"),
    "the certificate": (Shelf(proof=certificate() + b" "), "the certificate of model tests version 3 is not"),
}
FORGED: dict[str, bytes] = {
    "signed by somebody else": certificate(OTHER_SIGNER),
    "of another model": certificate(model="0" * 64),
    "of another job": certificate(job="k"),
    "of another dataset": certificate(dataset={"id": "sha256:e", "root": "sha256:r"}),
    "of another format": certificate(format="guard-certificate/2"),
    "without a dataset": certificate(dataset=None),
    "a pickle": b"\x80\x04.",
    "no object": b"[]",
    "deep": b"[" * 100_000,
    "a text for a signature": canonical({"certificate": {}, "key": "", "signature": 7}),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_file_that_was_changed_is_not_served(what: str) -> None:
    shelf, message = CHANGED[what]
    with pytest.raises(ConfigurationError, match=message):
        served(shelf).find("tests")
    with server(shelf) as client:
        answer = client.post("/v2/models/tests/infer", content=body())
    assert answer.status_code == 503 and "not served" in answer.json()["error"]


@pytest.mark.parametrize("what", FORGED)
def test_whoever_changes_the_registry_too_still_has_no_certificate(what: str) -> None:
    """The row names the forged file by its digest; only the signature is out of reach."""
    proof = FORGED[what]
    row = replace(VERSION, certificate=hashlib.sha256(proof).hexdigest())
    with pytest.raises(ConfigurationError, match="another model's, or nobody's"):
        served(Shelf(row, proof=proof)).find("tests")


def test_a_model_does_not_lend_its_certificate_to_another_name_that_is_loaded() -> None:
    shelf = Shelf(VERSION, replace(VERSION, name="copy", job="k"))
    models = served(shelf)
    models.find("tests")
    with pytest.raises(ConfigurationError):
        models.find("copy")
