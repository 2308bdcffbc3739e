"""Law: closed by default. Whatever a caller hides wherever in a body is noted or refused (DESIGN §2)."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator

from hypothesis import assume, given
from hypothesis import strategies as st

from guard.domain.exchange import PartKind
from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialects.openai_answer import read_answer
from guard.upstream.dialects.openai_chat import read
from guard.upstream.json_text import BodyLimits, Json, JsonObject

LIMITS = BodyLimits()
MARK = "maria.gomez 5425233430109903"
"""No id, no word of any enumeration: it may only pass as a screened text."""

BODY: JsonObject = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s", "name": "n"},
        {"role": "user", "content": [{"type": "text", "text": "t"}, "bare"]},
        {
            "role": "assistant",
            "content": None,
            "refusal": "r",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "i"}},
            ],
            "function_call": {"name": "f", "arguments": "{}"},
        },
        {"role": "tool", "tool_call_id": "c1", "content": "result"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"type": "custom", "custom": {"name": "g", "format": {"type": "text"}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "functions": [{"name": "f", "parameters": {}}],
    "function_call": {"name": "f"},
    "stream": True,
    "stream_options": {"include_usage": True},
    "n": 1,
    "temperature": 0.5,
    "seed": 7,
    "stop": ["x"],
    "user": "u",
    "prompt_cache_key": "k",
    "metadata": {"a": "b", "c": {"d": ["e"]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"const": "c"}}},
    "prediction": {"type": "content", "content": [{"type": "text", "text": "p"}]},
    "service_tier": "auto",
    "reasoning_effort": "low",
    "modalities": ["text"],
    "logprobs": False,
    "unknown": [{"deep": "x"}],
}
ANSWER: JsonObject = {
    "id": "a",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "system_fingerprint": "f",
    "service_tier": "default",
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {
                "role": "assistant",
                "content": "c",
                "refusal": None,
                "reasoning_content": "r",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "i"}},
                ],
                "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
            },
        }
    ],
}
Place = tuple[str | int, ...]


def places(value: Json, path: Place = ()) -> Iterator[Place]:
    """Yield the path of every value below and of the root."""
    yield path
    if isinstance(value, dict):
        for key, member in value.items():
            yield from places(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from places(member, (*path, number))


def at(root: Json, path: Place) -> Json:
    """Return the value at a path."""
    for step in path:
        if isinstance(root, dict):
            root = root[str(step)]
        elif isinstance(root, list):
            root = root[int(step)]
    return root


def put(root: JsonObject, path: Place, value: Json) -> JsonObject:
    """Return a copy with ``value`` at ``path``; a new key in an object, appended to a list."""
    changed = copy.deepcopy(root)
    holder = at(changed, path[:-1])
    if isinstance(holder, dict):
        holder[str(path[-1])] = value
    elif isinstance(holder, list):
        holder[int(path[-1]) :] = [value, *holder[int(path[-1]) + 1 :]]
    return changed


names = st.text("abcxyz_ é", min_size=1, max_size=6)
junk = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def hidden(draw: st.DrawFn) -> Json:
    """Draw JSON that holds the mark somewhere: as a value, in a list, as a key, deep inside."""
    value: Json = MARK
    for _ in range(draw(st.integers(0, 4))):
        form = draw(st.sampled_from(["list", "value", "key"]))
        if form == "list":
            value = [*draw(st.lists(junk, max_size=2)), value, *draw(st.lists(junk, max_size=2))]
        elif form == "value" or not isinstance(value, str):
            value = {**draw(st.dictionaries(names, junk, max_size=2)), draw(names): value}
        else:
            value = {value: draw(junk)}
    return value


@st.composite
def spots(draw: st.DrawFn, root: JsonObject) -> Place:
    """Draw a place: one that is there, a new member of an object, or the end of a list."""
    path = draw(st.sampled_from(sorted(places(root), key=str)))
    value = at(root, path)
    if isinstance(value, dict) and draw(st.booleans()):
        return (*path, draw(names))
    if isinstance(value, list) and draw(st.booleans()):
        return (*path, len(value))
    return path or ("model",)


@given(spots(BODY), hidden())
def test_a_hidden_text_of_a_request_is_screened_or_the_request_is_refused(place: Place, value: Json) -> None:
    body = put(BODY, place, value)
    try:
        reading = read(json.dumps(body).encode(), LIMITS)
    except InvalidRequest as refused:
        screened, quoted = True, f"{refused.message} {refused.position}"
    else:
        screened, quoted = any(MARK in part.text for part in reading.parts), ""
    assert screened and "maria" not in quoted


@given(spots(BODY), st.integers(100_000, 2**64 - 1) | st.integers(-(2**63), -100_000))
def test_a_long_number_of_a_request_is_screened_refused_or_within_a_schemas_range(
    place: Place, number: int
) -> None:
    body = put(BODY, place, number)
    try:
        reading = read(json.dumps(body).encode(), LIMITS)
    except InvalidRequest:
        return
    ranged = {("seed",), ("max_tokens",), ("max_completion_tokens",)}
    assert place in ranged or any(str(number) in part.text for part in reading.parts)


@given(spots(ANSWER), hidden())
def test_a_hidden_text_of_an_answer_is_a_channel_or_gone(place: Place, value: Json) -> None:
    body = json.dumps(put(ANSWER, place, value)).encode()
    try:
        answer = read_answer(body)
    except UpstreamError as refused:
        quoted = str(refused)
    else:
        seen = any(MARK in channel.text for channel in answer.channels)
        quoted = "" if seen else answer.write({}, {}).decode()
    assert "maria" not in quoted


@given(spots(BODY), hidden())
def test_writing_without_changes_gives_the_same_value_in_the_same_order(place: Place, value: Json) -> None:
    body = put(BODY, place, value)
    try:
        reading = read(json.dumps(body).encode(), LIMITS)
    except InvalidRequest:
        return
    written = json.loads(reading.write({}, model=reading.model))
    if body.get("stream") is True:
        body = {**body, "stream_options": written["stream_options"]}
    assert json.dumps(written) == json.dumps(body)


@given(spots(BODY), hidden(), st.data())
def test_writing_changes_what_was_changed_and_nothing_else(
    place: Place, value: Json, data: st.DataObject
) -> None:
    assume(place != ("stream_options",))  # written anew for metering, whatever stood there
    body = put(BODY, place, value)
    try:
        reading = read(json.dumps(body).encode(), LIMITS)
    except InvalidRequest:
        return
    editable = [part.index for part in reading.parts if part.kind is PartKind.SCREENED]
    chosen = data.draw(st.sets(st.sampled_from(editable), max_size=4))
    texts = {index: f"<{index}>" for index in chosen}
    again = read(reading.write(texts, model=reading.model), LIMITS)
    assert [part.text for part in again.parts] == [texts.get(part.index, part.text) for part in reading.parts]
