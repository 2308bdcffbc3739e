"""Requests of Chat Completions: where texts stand, what is refused, how a body is written again."""

from __future__ import annotations

import json

import pytest

from guard.domain.exchange import Encoding, Part, PartKind
from guard.errors import InvalidRequest
from guard.upstream.dialects.openai_chat import ChatReading, read
from guard.upstream.json_text import BodyLimits

LIMITS = BodyLimits()
User = dict[str, object]
HELLO: list[User] = [{"role": "user", "content": "hello"}]


def reading(messages: object = HELLO, **members: object) -> ChatReading:
    """Read a body."""
    return read(json.dumps({"model": "m", "messages": messages, **members}).encode(), LIMITS)


def part(text: str, messages: object = HELLO, **members: object) -> Part:
    """Return the one part with a text."""
    (found,) = [part for part in reading(messages, **members).parts if part.text == text]
    return found


def refused(messages: object = HELLO, **members: object) -> InvalidRequest:
    """Return why a body is refused."""
    with pytest.raises(InvalidRequest) as error:
        reading(messages, **members)
    return error.value


def call(**members: object) -> list[User]:
    """Return a conversation with one tool call and its result."""
    return [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", **members}]},
        {"role": "tool", "tool_call_id": "c1", "content": "result"},
    ]


WHERE: dict[str, tuple[dict[str, object], str, Encoding, PartKind]] = {
    "the model": ({"model": "X"}, "model", Encoding.TEXT, PartKind.STRUCTURAL),
    "a message": (
        {"messages": [{"role": "user", "content": "X"}]},
        "messages[0].content",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "a content part": (
        {"messages": [{"role": "user", "content": ["a", {"type": "text", "text": "X"}]}]},
        "messages[0].content[1].text",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "a refusal part": (
        {"messages": [{"role": "assistant", "content": [{"type": "refusal", "refusal": "X"}]}]},
        "messages[0].content[0].refusal",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "a participant's name": (
        {"messages": [{"role": "user", "content": "a", "name": "X"}]},
        "messages[0].name",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "an unknown role": (
        {"messages": [{"role": "X", "content": "a"}]},
        "messages[0].role",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "arguments of a call": (
        {"messages": call(function={"name": "f", "arguments": "X"})},
        "messages[0].tool_calls[0].function.arguments",
        Encoding.JSON,
        PartKind.SCREENED,
    ),
    "a function's name": (
        {"messages": call(function={"name": "X", "arguments": "{}"})},
        "messages[0].tool_calls[0].function.name",
        Encoding.TEXT,
        PartKind.STRUCTURAL,
    ),
    "input of a custom call": (
        {"messages": call(custom={"name": "f", "input": "X"})},
        "messages[0].tool_calls[0].custom.input",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "arguments of a legacy call": (
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "X"}}]},
        "messages[0].function_call.arguments",
        Encoding.JSON,
        PartKind.SCREENED,
    ),
    "a tool call's id": (
        {"messages": [{"role": "tool", "tool_call_id": "X", "content": "a"}]},
        "messages[0].tool_call_id",
        Encoding.TEXT,
        PartKind.STRUCTURAL,
    ),
    "a tool's description": (
        {"tools": [{"type": "function", "function": {"name": "f", "description": "X"}}]},
        "tools[0].function.description",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "a key of a tool's schema": (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"X": {}}}}]},
        "tools[0].function.parameters{0}",
        Encoding.KEY,
        PartKind.SCREENED,
    ),
    "a value of a tool's schema": (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"enum": ["X"]}}}]},
        "tools[0].function.parameters{0}[0]",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "a tool of another type": (
        {"tools": [{"type": "search", "place": {"city": "X"}}]},
        "tools[0]{1}{0}",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "the chosen tool": (
        {"tool_choice": {"type": "function", "function": {"name": "X"}}},
        "tool_choice.function.name",
        Encoding.TEXT,
        PartKind.STRUCTURAL,
    ),
    "the schema of the answer": (
        {"response_format": {"type": "json_schema", "json_schema": {"schema": {"const": "X"}}}},
        "response_format{1}{0}{0}",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "one stop sequence": ({"stop": "X"}, "stop", Encoding.TEXT, PartKind.SCREENED),
    "a stop sequence": ({"stop": ["a", "X"]}, "stop[1]", Encoding.TEXT, PartKind.SCREENED),
    "the user": ({"user": "X"}, "user", Encoding.TEXT, PartKind.SCREENED),
    "the conversation": ({"prompt_cache_key": "X"}, "prompt_cache_key", Encoding.TEXT, PartKind.SCREENED),
    "metadata": ({"metadata": {"a": "X"}}, "metadata{0}", Encoding.TEXT, PartKind.SCREENED),
    "a key of metadata": ({"metadata": {"X": "a"}}, "metadata{0}", Encoding.KEY, PartKind.SCREENED),
    "a prediction": (
        {"prediction": {"type": "content", "content": "X"}},
        "prediction.content",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "an unknown member": ({"extra": {"deep": ["X"]}}, "{2}{0}[0]", Encoding.TEXT, PartKind.SCREENED),
    "an unknown member's name": ({"X": 1}, "{2}", Encoding.KEY, PartKind.SCREENED),
    "an unknown member of a message": (
        {"messages": [{"role": "user", "content": "a", "note": "X"}]},
        "messages[0]{2}",
        Encoding.TEXT,
        PartKind.SCREENED,
    ),
    "an unknown effort": ({"reasoning_effort": "X"}, "reasoning_effort", Encoding.TEXT, PartKind.SCREENED),
}


@pytest.mark.parametrize("what", WHERE)
def test_every_text_is_found_at_its_position(what: str) -> None:
    members, position, encoding, kind = WHERE[what]
    body = {"model": "m", "messages": HELLO, **members}
    found = [p for p in read(json.dumps(body).encode(), LIMITS).parts if p.text == "X"]
    assert [(p.position, p.encoding, p.kind) for p in found] == [(position, encoding, kind)]


def test_numbers_of_six_digits_and_more_in_free_json_are_texts() -> None:
    assert part("5425233430109903", metadata={"n": 5425233430109903}).encoding is Encoding.NUMBER
    assert part("-123456", extra=[-123456, 12345]).position == "{2}[0]"


def test_numbers_in_the_schemas_range_are_structural() -> None:
    assert [p.position for p in reading(seed=2**62, max_tokens=128000, n=2).parts] == [
        "model",
        "messages[0].content",
    ]


REFUSED: dict[str, tuple[dict[str, object], str, str | None]] = {
    "no model": ({"model": None}, "invalid_request", "model"),
    "a model that is no text": ({"model": 5}, "invalid_request", "model"),
    "no messages": ({"messages": []}, "invalid_request", "messages"),
    "messages as an object": ({"messages": {}}, "invalid_request", "messages"),
    "a message that is a text": ({"messages": ["hi"]}, "invalid_request", "messages[0]"),
    "a message without a role": ({"messages": [{"content": "hi"}]}, "invalid_request", "messages[0]"),
    "a role that is a list": ({"messages": [{"role": ["user"]}]}, "invalid_request", "messages[0]"),
    "content that is an object": (
        {"messages": [{"role": "user", "content": {"text": "hi"}}]},
        "invalid_request",
        "messages[0].content",
    ),
    "tokens": ({"messages": [{"role": "user", "content": [1, 2]}]}, "token_input", "messages[0].content"),
    "tokens beside text": (
        {"messages": [{"role": "user", "content": ["a", 15496.0]}]},
        "token_input",
        "messages[0].content",
    ),
    "lists of tokens": (
        {"messages": [{"role": "user", "content": [[1, 2]]}]},
        "token_input",
        "messages[0].content",
    ),
    "tokens as a prediction": ({"prediction": {"content": [1]}}, "token_input", "prediction.content"),
    "an image": (
        {"messages": [{"role": "user", "content": ["a", {"type": "image_url", "image_url": {}}]}]},
        "unsupported_content",
        "messages[0].content[1]",
    ),
    "audio": (
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        "unsupported_content",
        "messages[0].content[0]",
    ),
    "a file": (
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        "unsupported_content",
        "messages[0].content[0]",
    ),
    "a part of a type that nobody knows": (
        {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
        "unsupported_content",
        "messages[0].content[0]",
    ),
    "a part without a type": (
        {"messages": [{"role": "user", "content": [{"text": "a"}]}]},
        "unsupported_content",
        "messages[0].content[0]",
    ),
    "an earlier audio answer": (
        {"messages": [{"role": "assistant", "audio": {"id": "a"}}]},
        "unsupported_content",
        "messages[0].audio",
    ),
    "audio output": ({"audio": {"voice": "x"}}, "unsupported_content", "audio"),
    "logprobs": ({"logprobs": True}, "logprobs_refused", "logprobs"),
    "top_logprobs": ({"top_logprobs": 2}, "logprobs_refused", "top_logprobs"),
    "a thousand choices": ({"n": 1000}, "invalid_request", "n"),
    "no choice": ({"n": 0}, "invalid_request", "n"),
    "a stream that is a word": ({"stream": "true"}, "invalid_request", "stream"),
    "a temperature that is a text": ({"temperature": "0.5"}, "invalid_request", "temperature"),
    "an id with spaces": (
        {"messages": [{"role": "tool", "tool_call_id": "a b", "content": ""}]},
        "invalid_request",
        "messages[0].tool_call_id",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_screened_is_refused_with_its_position(what: str) -> None:
    members, code, position = REFUSED[what]
    error = refused(**members) if "messages" not in members else refused(members["messages"])
    assert (error.code, error.position) == (code, position)


def test_an_image_is_refused_with_the_word_later() -> None:
    error = refused([{"role": "user", "content": [{"type": "image_url"}]}])
    assert "later" in error.message


def test_whose_words_count_as_the_callers_own() -> None:
    messages = [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": "d"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "a"},
        {"role": "tool", "tool_call_id": "c", "content": "t"},
        {"role": "stranger", "content": "x"},
    ]
    tools = [{"type": "function", "function": {"name": "f", "description": "tool"}}]
    found = reading(messages, tools=tools, functions=[{"name": "g", "description": "old"}], user="me")
    own = {p.text for p in found.parts if p.by_caller}
    assert {"s", "d", "u", "me"} <= own
    assert not own & {"a", "t", "x", "tool", "old", "f", "g"}


def test_what_a_reading_says_about_the_request() -> None:
    told = reading(
        stream=True,
        n=3,
        max_tokens=7,
        max_completion_tokens=9,
        stream_options={"include_usage": True},
        prompt_cache_key="k",
        metadata={"user_id": "u1", "deep": {"er": "u2"}, "n": 5, "empty": ""},
    )
    assert (told.model, told.stream, told.choices, told.max_tokens) == ("m", True, 3, 9)
    assert (told.include_usage, told.conversation) == (True, "k")
    assert told.lookup("metadata.user_id") == "u1"
    assert told.lookup("metadata.deep.er") == "u2"
    for absent in ("metadata.n", "metadata.empty", "metadata.none", "model.x", "metadata.user_id.x"):
        assert told.lookup(absent) is None
    plain = reading()
    assert (plain.stream, plain.choices, plain.max_tokens) == (False, 1, None)
    assert (plain.include_usage, plain.conversation) == (False, None)


def test_a_body_is_written_with_the_targets_model_and_its_keys_in_order() -> None:
    body = b'{"messages":[{"content":"a","role":"user"}],"temperature":0.5,"model":"m","zeta":{"b":1,"a":2}}'
    assert read(body, LIMITS).write({}, model="real") == body.replace(b'"m"', b'"real"')


def test_texts_are_written_where_they_stood() -> None:
    messages = call(function={"name": "f", "arguments": '{"a": "x\\u0041"}'})
    told = reading(messages, metadata={"k": 1234567})
    changes = {"result": "R", '{"a": "x\\u0041"}': '{"a": "S"}', "1234567": "[N]", "k": "K"}
    texts = {p.index: changes[p.text] for p in told.parts if p.text in changes}
    written = json.loads(told.write(texts, model="m"))
    assert written["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"a": "S"}'
    assert written["messages"][1]["content"] == "R"
    assert written["metadata"] == {"K": "[N]"}


@pytest.mark.parametrize(
    ("options", "upstream"),
    [
        (None, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
    ],
)
def test_a_stream_is_metered_whether_the_caller_asked_or_not(
    options: object, upstream: dict[str, bool]
) -> None:
    members = {} if options is None else {"stream_options": options}
    told = reading(stream=True, **members)
    assert json.loads(told.write({}, model="m"))["stream_options"] == upstream
    assert not told.include_usage


def test_a_plain_request_gets_no_stream_options() -> None:
    assert "stream_options" not in json.loads(reading().write({}, model="m"))


def test_neither_a_reading_nor_a_part_shows_its_text_when_printed() -> None:
    told = reading([{"role": "user", "content": "maria.gomez"}])
    assert "maria.gomez" not in repr(told) + repr(told.parts)
