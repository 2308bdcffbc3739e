"""Plain answers of Chat Completions: which texts are channels, where they lead, what a stop leaves."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from guard.errors import UpstreamError
from guard.upstream.dialect import AnswerChannel
from guard.upstream.dialects.openai_answer import ChatAnswer, read_answer

Message = Mapping[str, object]


def answer(*messages: Message, **members: object) -> ChatAnswer:
    """Read an answer with a choice a message."""
    choices = [
        {"index": number, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
        for number, message in enumerate(messages)
    ]
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}
    return read_answer(json.dumps({**body, **members}).encode())


def channel(text: str, *messages: Message, **members: object) -> AnswerChannel:
    """Return the one channel with a text."""
    (found,) = [channel for channel in answer(*messages, **members).channels if channel.text == text]
    return found


def called(**call: object) -> Message:
    """Return a message with one tool call."""
    return {"content": None, "tool_calls": [{"id": "c1", "type": "function", **call}]}


CHANNELS: dict[str, tuple[Message, str, bool, bool]] = {
    "content": ({"content": "X"}, "prose", True, False),
    "a refusal": ({"refusal": "X"}, "prose", True, False),
    "a part of content": ({"content": [{"type": "text", "text": "X"}]}, "prose", True, False),
    "a part of another type": ({"content": [{"type": "thinking", "text": "X"}]}, "prose", False, False),
    "a thought inside content": (
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "X"}]}]},
        "prose",
        False,
        False,
    ),
    "reasoning": ({"reasoning_content": "X"}, "prose", False, False),
    "reasoning of another name": ({"reasoning": "X"}, "prose", False, False),
    "reasoning in parts": ({"reasoning_details": [{"text": "X"}]}, "prose", False, False),
    "a thought with a signature": ({"thinking_blocks": [{"thinking": "X"}]}, "prose", False, False),
    "a member that nobody knows": ({"note": "X"}, "prose", False, False),
    "the name of one": ({"X": None}, "prose", False, False),
    "an address that is cited": (
        {"annotations": [{"url_citation": {"url": "X"}}]},
        "prose",
        False,
        False,
    ),
    "arguments": (called(function={"name": "f", "arguments": "X"}), "tool:f", True, True),
    "arguments that are no string": (
        called(function={"name": "f", "arguments": {"a": "X"}}),
        "tool:f",
        True,
        False,
    ),
    "a key of such arguments": (
        called(function={"name": "f", "arguments": {"X": 1}}),
        "tool:f",
        False,
        False,
    ),
    "input of a custom tool": (
        called(type="custom", custom={"name": "g", "input": "X"}),
        "tool:g",
        True,
        False,
    ),
    "arguments of the legacy kind": (
        {"function_call": {"name": "h", "arguments": "X"}},
        "tool:h",
        True,
        True,
    ),
    "arguments of nobody": (called(function={"arguments": "X"}), "tool:", True, True),
    "the name of a tool": (called(function={"name": "X", "arguments": "{}"}), "prose", False, False),
    "the id of a call": ({"tool_calls": [{"id": "X"}]}, "prose", False, False),
}


@pytest.mark.parametrize("what", CHANNELS)
def test_every_text_is_a_channel_with_its_sink(what: str) -> None:
    message, sink, restores, json_text = CHANNELS[what]
    found = channel("X", {"content": "first"}, message)
    assert (found.choice, found.sink, found.restores, found.json_text) == (1, sink, restores, json_text)


@pytest.mark.parametrize("name", ["id", "model", "system_fingerprint", "object", "service_tier", "extra"])
def test_texts_outside_of_choices_are_screened_and_not_restored(name: str) -> None:
    found = channel("X", {"content": "a"}, **{name: "X"})
    assert (found.choice, found.restores) == (-1, False)


def test_enumerations_and_counts_are_no_channels() -> None:
    told = answer(
        {"content": "a"}, usage={"prompt_tokens": 123456, "completion_tokens": 1, "total_tokens": 1}
    )
    assert [channel.text for channel in told.channels] == ["chatcmpl-1", "m", "a"]


def test_an_unknown_reason_to_end_is_screened() -> None:
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "X"}]}
    assert [c.text for c in read_answer(json.dumps(body).encode()).channels] == ["a", "X"]


NO_ANSWERS = {
    "nothing": b"",
    "no JSON": b"<html>",
    "a list": b"[]",
    "no choices": b'{"id":"x"}',
    "choices that are none": b'{"choices":{}}',
    "an error": b'{"error":{"message":"secret"},"choices":[]}',
    "an error as a text": b'{"error":"secret","choices":[]}',
    "a number beyond 64 bits": b'{"choices":[],"n":18446744073709551616}',
    "logprobs that are a flag of text": b'{"choices":[{"message":{},"index":"a b"}],"x":"\\ud800"}',
}


@pytest.mark.parametrize("what", NO_ANSWERS)
def test_what_is_no_answer_is_an_error_that_quotes_nothing(what: str) -> None:
    with pytest.raises(UpstreamError) as failed:
        read_answer(NO_ANSWERS[what])
    assert failed.value.code in {"upstream_invalid", "upstream_error"}
    assert "secret" not in failed.value.message


def test_a_null_error_is_none() -> None:
    assert answer({"content": "a"}, error=None).channels


def test_logprobs_do_not_pass() -> None:
    body = {"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"token": "maria"}]}}]}
    told = read_answer(json.dumps(body).encode())
    assert [channel.text for channel in told.channels] == ["a"]
    assert b"maria" not in told.write({}, {})


def test_an_answer_without_changes_is_written_as_it_came() -> None:
    body = b'{"choices":[{"message":{"content":"a","z":{"b":1.5}},"index":0}],"usage":null,"x":[true]}'
    assert read_answer(body).write({}, {}) == body


def replaced(told: ChatAnswer, texts: Mapping[str, str], blocked: Mapping[int, str]) -> dict[str, object]:
    """Write an answer with texts replaced by what they are."""
    changes = {index: texts[c.text] for index, c in enumerate(told.channels) if c.text in texts}
    written: dict[str, object] = json.loads(told.write(changes, blocked))
    return written


def test_a_stopped_choice_keeps_what_was_released_and_says_why() -> None:
    stopped = {
        "content": "good bad",
        "reasoning_content": "thought",
        "note": "unknown",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    told = answer({"content": "other"}, stopped)
    written = replaced(told, {"good bad": "good ", "unknown": "", "note": "", "other": "OTHER"}, {1: "why"})
    assert written["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "OTHER"}, "finish_reason": "stop"},
        {
            "index": 1,
            "message": {
                "role": "assistant",
                "content": "good ",
                "reasoning_content": "thought",
                "refusal": "why",
            },
            "finish_reason": "content_filter",
        },
    ]


def test_a_refusal_that_was_being_spoken_goes_on_with_the_reason() -> None:
    written = replaced(answer({"refusal": "I cannot, x"}), {"I cannot, x": "I cannot, "}, {0: "why"})
    assert '"refusal": "I cannot, why"' in json.dumps(written)


def test_two_unknown_names_of_a_stopped_choice_do_not_collide() -> None:
    told = answer({"content": "a", "first": 1, "second": 2})
    assert replaced(told, {"first": "", "second": ""}, {0: "why"})


USAGES: list[tuple[object, dict[str, int] | None]] = [
    ({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}, {"prompt": 3, "completion": 4}),
    ({"prompt_tokens": 3}, None),
    ({"prompt_tokens": "3", "completion_tokens": 4}, None),
    ({"prompt_tokens": -3, "completion_tokens": 4}, None),
    ({"prompt_tokens": True, "completion_tokens": 4}, None),
    ({"prompt_tokens": 2**60, "completion_tokens": 4}, None),
    (None, None),
    ([1, 2], None),
]


@pytest.mark.parametrize(("usage", "counted"), USAGES)
def test_only_plausible_counts_are_counts(usage: object, counted: dict[str, int] | None) -> None:
    assert answer({"content": "a"}, usage=usage).usage == counted
