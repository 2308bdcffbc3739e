"""Streams of Chat Completions: chunks to events and back."""

from __future__ import annotations

import json

import pytest

from guard.errors import UpstreamError
from guard.upstream.dialect import (
    CallKind,
    Counted,
    Done,
    Finish,
    Opened,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolDelta,
)
from guard.upstream.dialects.openai_stream import ChatStreamReader, ChatStreamWriter
from guard.upstream.json_text import JsonObject


def events(*chunks: object, opened: bool = False) -> list[StreamEvent]:
    """Read chunks; texts stand for themselves."""
    reader = ChatStreamReader()
    told: list[StreamEvent] = []
    for chunk in chunks:
        payload = chunk if isinstance(chunk, str) else json.dumps(chunk)
        told += reader.feed(f"data: {payload}\n\n".encode())
    return told if opened else [event for event in told if not isinstance(event, Opened)]


def chunk(delta: object = None, reason: object = None, index: object = 0, **members: object) -> object:
    """Return a chunk with one choice."""
    return {"choices": [{"index": index, "delta": delta, "finish_reason": reason}], **members}


def broken(*chunks: object) -> UpstreamError:
    """Return the error that a stream is."""
    with pytest.raises(UpstreamError) as failed:
        events(*chunks)
    return failed.value


def test_texts_are_events_by_choice_and_field() -> None:
    told = events(
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "a", "reasoning_content": "t"}),
        chunk({"refusal": "r"}, index=2),
        chunk({"later_field": "x"}),
    )
    assert told == [
        TextDelta(choice=0, name="content", text="a", restores=True),
        TextDelta(choice=0, name="reasoning_content", text="t", restores=False),
        TextDelta(choice=2, name="refusal", text="r", restores=True),
        TextDelta(choice=0, name="later_field", text="x", restores=False),
    ]


def test_fields_whose_names_could_carry_something_are_dropped() -> None:
    assert events(chunk({"4111111111111111": "x", "a b": "x", "x" * 65: "x", "é": "x"})) == []


def test_objects_and_numbers_that_nobody_knows_are_dropped() -> None:
    assert events(chunk({"audio": {"data": "x"}, "n": 1234567, "list": ["x"]}, obfuscation="zz")) == []


def test_a_tool_call_comes_in_pieces() -> None:
    told = events(
        chunk({"tool_calls": [{"index": 1, "id": "c", "type": "function", "function": {"name": "f"}}]}),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": '{"a"'}}]}),
        chunk(
            {"tool_calls": [{"index": 0, "id": "d", "type": "custom", "custom": {"name": "g", "input": "x"}}]}
        ),
        chunk({"function_call": {"name": "h", "arguments": "{}"}}),
    )
    function, custom, legacy = CallKind.FUNCTION, CallKind.CUSTOM, CallKind.LEGACY
    assert told == [
        ToolDelta(choice=0, index=1, kind=function, id="c", name="f", arguments=""),
        ToolDelta(choice=0, index=1, kind=function, id="", name="", arguments='{"a"'),
        ToolDelta(choice=0, index=0, kind=custom, id="d", name="g", arguments="x"),
        ToolDelta(choice=0, index=0, kind=legacy, id="", name="h", arguments="{}"),
    ]


def test_what_all_chunks_share_is_told_by_the_first_that_knows_it() -> None:
    told = events(
        chunk({}, id="", created=0, model=None, object="x", more="y"),
        chunk({"content": "a"}, id="c1", created=5, model="m"),
        chunk({"content": "b"}, id="c2", model="n", system_fingerprint="f"),
        opened=True,
    )
    assert [event.members for event in told if isinstance(event, Opened)] == [
        {"created": 0},
        {"id": "c1", "model": "m"},
        {"system_fingerprint": "f"},
    ]


def test_an_end_usage_and_the_terminator() -> None:
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "cost": 0.5,
        "note": "text",
        "flag": True,
        "prompt_tokens_details": {"cached_tokens": 2, "why": "text", "deep": {"er": {"n": 1}}},
    }
    told = events(chunk({}, "tool_calls"), {"choices": [], "usage": usage}, "[DONE]")
    counts: JsonObject = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "cost": 0.5,
        "prompt_tokens_details": {"cached_tokens": 2, "deep": {"er": {}}},
    }
    assert told == [
        Finish(choice=0, reason="tool_calls"),
        Counted(usage={"prompt": 3, "completion": 4}, members=counts),
        Done(),
    ]


def test_a_reason_that_only_some_providers_know_is_kept() -> None:
    assert events(chunk({}, "insufficient_system_resource")) == [
        Finish(choice=0, reason="insufficient_system_resource")
    ]


HOSTILE: dict[str, object] = {
    "no JSON": "<html>",
    "a list": [1],
    "nothing": "",
    "an error": {"error": {"message": "secret"}},
    "an error as a text": {"error": "secret", "choices": []},
    "content that is a list": chunk({"content": [{"type": "text", "text": "a"}]}),
    "content that is a number": chunk({"content": 5}),
    "a choice below zero": chunk({"content": "a"}, index=-1),
    "a choice without bound": chunk({"content": "a"}, index=10**9),
    "a choice that is a text": chunk({"content": "a"}, index="0"),
    "a choice that is true": chunk({"content": "a"}, index=True),
    "a call without bound": chunk({"tool_calls": [{"index": 10**6, "function": {"name": "f"}}]}),
    "arguments that are an object": chunk(
        {"tool_calls": [{"index": 0, "function": {"arguments": {"a": 1}}}]}
    ),
    "a name that is a number": chunk({"tool_calls": [{"index": 0, "function": {"name": 5}}]}),
    "a reason with a value": chunk({}, "maria@x.example"),
    "a reason that is a list": chunk({}, ["stop"]),
    "a depth without bound": "[" * 100,
    "a number beyond 64 bits": '{"choices":[],"n":99999999999999999999}',
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_cannot_be_read_breaks_the_stream_and_quotes_nothing(what: str) -> None:
    error = broken(HOSTILE[what])
    assert error.code in {"upstream_invalid", "upstream_error"}
    assert not any(word in error.message for word in ("secret", "maria", "html"))


@pytest.mark.parametrize(
    "odd", [{}, {"choices": None}, {"choices": {}}, {"choices": [None, "x", {}]}, {"error": None}]
)
def test_a_chunk_that_says_nothing_is_passed_over(odd: object) -> None:
    assert events(odd) == []


def written(data: bytes) -> list[object]:
    """Return the payloads of what a writer wrote."""
    frames = [frame for frame in data.split(b"\n\n") if frame]
    assert all(frame.startswith(b"data: ") for frame in frames)
    return [frame[6:].decode() if frame == b"data: [DONE]" else json.loads(frame[6:]) for frame in frames]


def deltas(data: bytes) -> list[tuple[object, object, object]]:
    """Return (choice, delta, reason) of each chunk."""
    found = []
    for payload in written(data):
        assert isinstance(payload, dict)
        (choice,) = payload["choices"]
        found.append((choice["index"], choice["delta"], choice["finish_reason"]))
    return found


def test_a_role_is_said_once_a_choice() -> None:
    writer = ChatStreamWriter(include_usage=False)
    out = writer.text(0, "content", "a") + writer.text(1, "refusal", "b") + writer.finish(0, "stop")
    assert deltas(out) == [
        (0, {"role": "assistant", "content": "a"}, None),
        (1, {"role": "assistant", "refusal": "b"}, None),
        (0, {}, "stop"),
    ]


def test_calls_are_written_whole_and_in_their_own_form() -> None:
    writer = ChatStreamWriter(include_usage=False)
    out = b""
    for index, kind in enumerate(CallKind):
        out += writer.tool(0, ToolCall(index=index, kind=kind, id="c", name="f", arguments="x"))
    assert [delta for _, delta, _ in deltas(out)] == [
        {
            "role": "assistant",
            "tool_calls": [
                {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "x"}}
            ],
        },
        {"tool_calls": [{"index": 1, "id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]},
        {"function_call": {"name": "f", "arguments": "x"}},
    ]


def test_a_stop_is_a_refusal_and_content_filter() -> None:
    out = ChatStreamWriter(include_usage=False).blocked(1, "why")
    assert deltas(out) == [(1, {"role": "assistant", "refusal": "why"}, None), (1, {}, "content_filter")]


def test_chunks_share_the_providers_envelope() -> None:
    writer = ChatStreamWriter(include_usage=False)
    writer.open({"id": "c1", "model": "m"})
    (payload,) = written(writer.text(0, "content", "a"))
    assert isinstance(payload, dict)
    assert (payload["id"], payload["object"], payload["model"]) == ("c1", "chat.completion.chunk", "m")


COUNTED = Counted(usage={"prompt": 1, "completion": 2}, members={"total_tokens": 3})


@pytest.mark.parametrize(
    ("asked", "counted", "said"), [(True, COUNTED, True), (False, COUNTED, False), (True, None, False)]
)
def test_usage_is_said_only_to_those_who_asked(asked: bool, counted: Counted | None, said: bool) -> None:
    *before, last = written(ChatStreamWriter(include_usage=asked).end(counted))
    assert last == "[DONE]"
    assert len(before) == said
    if said:
        assert isinstance(before[0], dict)
        assert before[0]["choices"] == [] and before[0]["usage"] == {"total_tokens": 3}


def test_a_keep_alive_is_a_comment() -> None:
    out = ChatStreamWriter(include_usage=False).keep_alive()
    assert out.startswith(b":") and out.endswith(b"\n\n")
