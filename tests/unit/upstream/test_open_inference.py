"""Open inference: every text of a call is seen, numbers are not bent, nothing else passes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.exchange import Encoding, PartKind
from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialects.open_inference import DATATYPES, LARGEST, OpenInference
from guard.upstream.json_text import BodyLimits

DIALECT = OpenInference()
CARD = 5425233430109903
Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def sent(**members: Json) -> bytes:
    """Return a call with a tensor of texts and one of numbers, changed by ``members``."""
    body: dict[str, Json] = {
        "id": "call-7",
        "inputs": [
            {"name": "Stadt (2020), 城市", "shape": [2], "datatype": "BYTES", "data": ["Cork", "Delft"]},
            {"name": "age", "shape": [2, 1], "datatype": "FP32", "data": [[39], [17.5]]},
        ],
        "outputs": [{"name": "label"}],
        **members,
    }
    return json.dumps(body).encode()


def read(body: bytes) -> object:
    return DIALECT.read(body, BodyLimits(), named="income")


def texts(body: bytes) -> list[str]:
    """Return what is screened of a body."""
    reading = DIALECT.read(body, BodyLimits(), named="income")
    return sorted(part.text for part in reading.parts)


def tensor(**members: Json) -> bytes:
    return sent(inputs=[{"name": "x", "shape": [1], "datatype": "FP32", "data": [1], **members}])


def test_a_call_is_its_texts_names_and_ids() -> None:
    reading = DIALECT.read(sent(), BodyLimits(), named="income")
    assert reading.model == "income" and not reading.stream
    assert {part.position: part.text for part in reading.parts} == {
        "id": "call-7",
        "inputs[0].name": "Stadt (2020), 城市",
        "inputs[0].data[0]": "Cork",
        "inputs[0].data[1]": "Delft",
        "inputs[1].name": "age",
        "outputs[0].name": "label",
    }
    structural = {part.position for part in reading.parts if part.kind is PartKind.STRUCTURAL}
    assert structural == {"id", "inputs[0].name", "inputs[1].name", "outputs[0].name"}
    assert json.loads(reading.write({}, model="x")) == json.loads(sent())
    assert DIALECT.path("income") == "/v2/models/income/infer"


LEAF = st.one_of(
    st.text("äb城1", min_size=1, max_size=4),
    st.integers(100_000, 2**53),
    st.booleans(),
    st.none(),
    st.floats(0, 9),
)
FREE = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3)
    ),
)
PLACES = st.sampled_from(["", "inputs.0", "inputs.1", "outputs.0", "inputs.0.data", "inputs.0.parameters"])


def strings_of(value: Json) -> list[str]:
    """Return every string, key and long number below a value: the slow twin of the walk."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        written = str(int(value)) if float(value).is_integer() else repr(value)
        return [written] if sum(character.isdigit() for character in written) >= 6 else []
    if isinstance(value, list):
        return [text for member in value for text in strings_of(member)]
    return [text for key, member in value.items() for text in (key, *strings_of(member))]


@given(place=PLACES, key=st.text("pqr", min_size=1, max_size=3), value=FREE)
def test_whatever_is_not_known_is_screened(place: str, key: str, value: Json) -> None:
    body = json.loads(sent())
    target = body
    for step in place.split(".") if place else []:
        at: int | str = int(step) if step.isdigit() else step
        if isinstance(target, dict) and at not in target:
            target[at] = {}
        target = target[at]
    if isinstance(target, list):
        target.append({key: value})
    else:
        target[key] = value
    added = [key, *strings_of(value)] + (["parameters"] if place.endswith("parameters") else [])
    assert texts(json.dumps(body).encode()) == sorted([*texts(sent()), *added])


def test_a_changed_text_stands_in_its_place_and_nothing_else_changes() -> None:
    body = sent(parameters={"who": "maria@kestrel-labs.com"})
    reading = DIALECT.read(body, BodyLimits(), named="income")
    at = {part.position: part.index for part in reading.parts}
    changed = {
        at["inputs[0].data[1]"]: "TOKEN",
        at["parameters"] if "parameters" in at else at["{3}{0}"]: "X",
    }
    written = json.loads(reading.write(changed, model="income"))
    wanted = json.loads(body)
    wanted["inputs"][0]["data"][1] = "TOKEN"
    wanted["parameters"] = {"who": "X"}
    assert written == wanted


NUMBERS: Mapping[str, Json] = {
    "an integer": CARD,
    "as a float": float(CARD),
    "with an exponent": 5.425233430109903e15,
    "negative": -CARD,
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("datatype", ["FP64", "INT64", "UINT64", "BOOL", "unknown", None, 7])
def test_a_number_with_a_finding_is_refused_not_bent(number: str, datatype: Json) -> None:
    body = tensor(datatype=datatype, data=[1, NUMBERS[number]])
    reading = DIALECT.read(body, BodyLimits(), named="income")
    (part,) = [part for part in reading.parts if part.encoding is Encoding.NUMBER]
    assert part.text.removeprefix("-") == str(CARD), "what is screened is what whoever reads it will see"
    with pytest.raises(InvalidRequest) as refused:
        reading.write({part.index: "TOKEN"}, model="income")
    assert refused.value.code == "personal_data_in_number"
    assert refused.value.position == "inputs[0].data[1]" and str(CARD) not in refused.value.message


def test_a_number_among_texts_becomes_one() -> None:
    body = tensor(datatype="BYTES", data=["a", CARD])
    reading = DIALECT.read(body, BodyLimits(), named="income")
    (part,) = [part for part in reading.parts if part.encoding is Encoding.NUMBER]
    assert json.loads(reading.write({part.index: "TOKEN"}, model="i"))["inputs"][0]["data"] == ["a", "TOKEN"]


REFUSED: dict[str, bytes] = {
    "no inputs": b"{}",
    "inputs that are an object": sent(inputs={}),
    "a size that is a telephone number": tensor(shape=[4930901820]),
    "a size with a fraction": tensor(shape=[1.25]),
    "a size that is a text": tensor(shape=["1"]),
    "a size that is true": tensor(shape=[True]),
    "a size of nothing": tensor(shape=[None]),
    "a size below all": tensor(shape=[-2]),
    "a name without end": tensor(name="x" * 129),
    "an empty name": tensor(name=""),
    "a name of two lines": tensor(name="a\nb"),
    "a name that is no text": tensor(name=7),
    "an output's name that is no text": sent(outputs=[{"name": None}]),
    "an id that is a sentence": sent(id="call me maybe"),
    "an id that is a number": sent(id=7),
    "a list": b"[]",
    "a byte order mark": b"\xef\xbb\xbf" + sent(),
    "beyond 64 bits": tensor(data=[2**64]),
    "deep": tensor(data=json.loads("[" * 80 + "]" * 80)),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused(what: str) -> None:
    with pytest.raises(InvalidRequest):
        read(REFUSED[what])


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused_with_what_to_write(word: str) -> None:
    with pytest.raises(InvalidRequest, match="write null") as refused:
        read(tensor().replace(b"[1]}", f"[{word}]}}".encode()))
    assert refused.value.code == "invalid_json"


def test_a_broken_body_is_not_blamed_on_them() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(sent()[:-1])
    assert "null" not in refused.value.message


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ([0.123456] * 60_000, "too_many_strings"),
        ([1] * 210_000, "too_many_values"),
        ([1.5] * 3_000_000, "body_too_large"),
    ],
)
def test_a_huge_tensor_is_refused_before_it_is_looked_through(data: list[Json], code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read(tensor(data=data))
    assert refused.value.code == code


def test_sizes_hold_no_more_than_a_body_can_fill() -> None:
    assert len(str(LARGEST)) < 7 and DATATYPES.words


ANSWER = json.dumps(
    {
        "model_name": "income",
        "model_version": "3",
        "id": "call-7",
        "outputs": [
            {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["TOKEN", ">50K"]},
            {"name": "p", "shape": [2, 1], "datatype": "FP32", "data": [[0.123456789], [1]]},
        ],
        "data": ["TOKEN"],
        "x": [{"data": ["TOKEN"]}, {"data": "TOKEN"}],
    }
).encode()


def test_only_texts_of_an_output_are_restored() -> None:
    document = DIALECT.read_answer(ANSWER)
    restored = [channel.text for channel in document.channels if channel.restores]
    assert restored == ["TOKEN", ">50K"]
    assert {channel.text for channel in document.channels} >= {"income", "0.123456789", "label", "x", "data"}
    assert {channel.choice for channel in document.channels} == {-1}


def test_an_answer_is_written_with_its_changes() -> None:
    document = DIALECT.read_answer(ANSWER)
    at = next(index for index, channel in enumerate(document.channels) if channel.restores)
    assert json.loads(document.write({at: "maria"}, {}))["outputs"][0]["data"] == ["maria", ">50K"]
    assert json.loads(document.write({}, {})) == json.loads(ANSWER)


def test_a_number_of_an_answer_that_must_change_fails_the_answer() -> None:
    document = DIALECT.read_answer(ANSWER)
    at = next(index for index, channel in enumerate(document.channels) if channel.text == "0.123456789")
    with pytest.raises(UpstreamError) as refused:
        document.write({at: "[CREDIT_CARD]"}, {})
    assert refused.value.code == "upstream_invalid"


BROKEN: dict[str, bytes] = {
    "no JSON": b"<html>",
    "an error inside": b'{"error": "secret"}',
    "no outputs": b'{"model_name": "income"}',
    "a size beyond all": ANSWER.replace(b"[2, 1]", b"[4930901820]"),
    "NaN": ANSWER.replace(b"0.123456789", b"NaN"),
    "nothing": b"",
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_answer_that_is_none_is_not_given(what: str) -> None:
    with pytest.raises(UpstreamError) as refused:
        DIALECT.read_answer(BROKEN[what])
    assert "secret" not in refused.value.message


def test_nothing_is_streamed() -> None:
    with pytest.raises(RuntimeError):
        DIALECT.stream(None)


def test_a_subject_may_stand_in_the_parameters() -> None:
    reading = DIALECT.read(sent(parameters={"user_id": "u7"}), BodyLimits(), named="income")
    assert reading.lookup("parameters.user_id") == "u7"
    assert reading.lookup("parameters.other") is None and reading.lookup("inputs.name") is None


def test_without_the_path_there_is_no_model() -> None:
    with pytest.raises(RuntimeError):
        DIALECT.read(sent(), BodyLimits())
