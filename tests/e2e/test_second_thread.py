"""The second thread whole: a table goes in, a private model answers at the gate, one log holds it all."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from benchmarks.datasets.resume import opened
from benchmarks.datasets.table import CLEAR
from guard.audit.checkpoint import KEY_NAME
from guard.audit.verify import key_line, verify_export
from tests.e2e.service import Service, stop_quietly
from tests.integration.training.story import MODEL, Story, told

pytest.importorskip("opacus", reason="the extra train is not installed")

STEPS = (
    "dataset.registered", "budget.set", "job.submitted", "job.started", "budget.reserved",
    "budget.running", "budget.settled", "model.registered", "job.ended", "model.staged",
)  # fmt: skip
EMAIL = "maria.gomez@kestrel-labs.com"
CARD = 5425233430109903
INFER = f"/v2/models/{MODEL}/infer"
NUMBER: dict[str, object] = {"datatype": "FP32", "data": [1, 2]}


def call(**tensors: dict[str, object]) -> bytes:
    """Return a call about two people, changed by ``tensors``."""
    inputs: dict[str, dict[str, object]] = {
        "age": {"name": "age", "shape": [2], "datatype": "FP32", "data": [20, 90]},
        "visits": {"name": "visits", "shape": [2], "datatype": "INT32", "data": [0, 49]},
        "town": {"name": "town", "shape": [2], "datatype": "BYTES", "data": ["Cork", "Delft"]},
    }
    for name, change in tensors.items():
        inputs[name] = {**inputs.get(name, {"name": name, "shape": [2]}), **change}
    return json.dumps({"id": "call-1", "inputs": list(inputs.values())}).encode()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Return the story with its model in production."""
    made = told(tmp_path_factory.mktemp("story"))
    made.run("models", "stage", MODEL, "--to", "production")
    return made


@pytest.fixture(scope="module")
def service(story: Story) -> Iterator[Service]:
    """Return the service on the story's data directory."""
    running = Service(data_dir=story.data_dir, workers=1)
    running.start()
    yield running
    stop_quietly(running)


def test_a_call_is_answered_recorded_and_traced_back_to_the_table(story: Story, service: Service) -> None:
    status, headers, body = service.call("POST", INFER, call(), key=service.key())
    assert status == 200
    outputs = {output["name"]: output for output in json.loads(body)["outputs"]}
    assert outputs["label"]["data"] == ["no", "yes"]
    assert outputs["probabilities"]["shape"] == [2, 2]
    assert json.loads(body)["id"] == "call-1" and json.loads(body)["model_version"] == "1"

    records = json.loads(story.run("explain", headers["x-guard-request"], "--json"))["records"]
    intent, outcome = (record["leaf"] for record in records)
    assert (intent["type"], outcome["type"]) == ("exchange.intent", "exchange.outcome")
    assert (intent["route"], intent["model"], outcome["end"]) == ("open-inference.infer", MODEL, "complete")
    with opened(story.data_dir) as installation:
        (version,) = installation.models.list()
        dataset = installation.datasets.find("people")
    assert version.job == story.job
    assert intent["lineage"] == [
        f"model:{version.digest}",
        f"certificate:{version.certificate}",
        f"dataset:{dataset.id}",
        f"job:{story.job}",
    ]


def test_the_certificate_is_verified_offline_by_the_key_that_signs_the_log(story: Story) -> None:
    from guard.training.verify import verify_certificate

    with opened(story.data_dir) as installation:
        (version,) = installation.models.list()
        certificate = installation.certificate_path(version.certificate)
        model = installation.model_path(version.digest)
        key = key_line(KEY_NAME, installation.keyring.signer().public)
    found = verify_certificate(certificate.read_bytes(), key=key, model=model.read_bytes())
    assert (found.job, found.dataset, found.unit) == (story.job, version.dataset, "example")
    assert 0 < found.epsilon <= 1 and found.executed == 60


def test_one_log_holds_every_step_and_an_outsider_can_check_it(story: Story) -> None:
    archive = story.data_dir.parent / "log.zip"
    story.run("audit", "export", "--out", str(archive))
    assert verify_export(archive.read_bytes())
    lines = story.run("log", "tail", "-n", "1000", "--json").splitlines()
    types = [json.loads(line)["type"] for line in lines]
    assert [name for name in types if name in STEPS][: len(STEPS)] == list(STEPS)


REFUSED: dict[str, tuple[str, bytes, str]] = {
    "a card among numbers": (INFER, call(age={"data": [20, CARD]}), "in_number at inputs[0].data[1]"),
    "a card as a float": (INFER, call(age={"data": [20, float(CARD)]}), "personal_data_in_number"),
    "an e-mail as a name": (INFER, call(**{EMAIL: NUMBER}), "personal_data_in_id at inputs[3].name"),
    "NaN": (INFER, call().replace(b"[20,", b"[NaN,"), "write null"),
    "a missing input": (INFER, b'{"inputs": []}', "the model has inputs that were not sent"),
    "another input": (INFER, call(shoe=NUMBER), "at inputs[3]: the provider own-models"),
    "unequal sizes": (INFER, call(age={"shape": [1], "data": [20]}), "inputs that belong together"),
    "texts for numbers": (INFER, call(age={"datatype": "BYTES", "data": ["a", EMAIL]}), "texts where"),
    "a model that is not there": ("/v2/models/other/infer", call(), "model_not_allowed"),
    "a model of another dialect": ("/v2/models/demo-echo/infer", call(), "model_not_allowed"),
    "a body that is no call": (INFER, b"[]", "invalid_json"),
    "a huge tensor": (INFER, call(age={"data": [0.123456] * 60_000}), "too_many_strings"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_speaks_the_protocol_and_says_why(service: Service, what: str) -> None:
    path, body, says = REFUSED[what]
    status, headers, answer = service.call("POST", path, body, key=service.key())
    assert status == 400
    error = json.loads(answer)
    assert list(error) == ["error"] and says in error["error"]
    assert headers["x-guard-request"] in error["error"]
    assert EMAIL not in error["error"] and str(CARD) not in error["error"]


ODD = (
    "..%2fx/infer",
    "a%20b/infer",
    "/infer",
    f"{MODEL}/infer/x",
    f"{MODEL}/versions/1/infer",
    MODEL,
    "-/infer",
)


@pytest.mark.parametrize("path", ODD)
def test_an_odd_path_is_no_endpoint(service: Service, path: str) -> None:
    status, _, answer = service.call("POST", f"/v2/models/{path}", call(), key=service.key())
    assert status == 404 and b"unknown_endpoint" in answer


def test_a_private_model_is_not_asked_by_chat(service: Service) -> None:
    body = json.dumps({"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}).encode()
    status, _, answer = service.chat(body)
    assert status == 400 and json.loads(answer)["error"]["code"] == "model_not_allowed"


def test_without_a_key_nothing_is_asked(service: Service) -> None:
    status, _, answer = service.call("POST", INFER, call())
    assert status == 401 and list(json.loads(answer)) == ["error"]


def test_personal_data_among_texts_is_replaced_on_its_way(service: Service) -> None:
    body = call(town={"data": [EMAIL, "Delft"]})
    status, headers, _ = service.call("POST", INFER, body, key=service.key())
    assert status == 200 and headers["x-guard-entities"] == "EMAIL_ADDRESS=1"


def stage(story: Story, service: Service, to: str, status: int) -> None:
    """Move the model and wait until the gate has noticed."""
    story.run("models", "stage", MODEL, "--to", to)
    deadline = time.monotonic() + 20
    while service.call("POST", INFER, call(), key=service.key())[0] != status:
        assert time.monotonic() < deadline, f"still not {status}"


def test_a_model_outlives_its_dataset_and_is_withdrawn_by_its_stage(story: Story, service: Service) -> None:
    """What was learnt is in the weights: removing the rows takes nothing back, retiring does."""
    there, gone = story.data_dir / "datasets", story.data_dir / "gone"
    there.rename(gone)
    try:
        assert service.call("POST", INFER, call(), key=service.key())[0] == 200
        stage(story, service, "retired", 400)
        stage(story, service, "production", 200)
    finally:
        gone.rename(there)


def test_nothing_of_the_table_stands_in_clear_anywhere(story: Story, service: Service) -> None:
    for path in (*story.data_dir.rglob("*"), service.output):
        content = path.read_bytes() if path.is_file() else b""
        assert not [word for word in CLEAR if word.encode() in content], path
