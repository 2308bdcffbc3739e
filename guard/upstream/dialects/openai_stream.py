"""Streams of Chat Completions: provider's chunks → events, events → chunks for the caller.

Nothing of a chunk travels as it came: text passes the channels, ids and names are checked,
members that Guard does not know are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialect import Counted, Done, Finish, StreamEvent, TextDelta, ToolDelta, Usage
from guard.upstream.dialects.openai_answer import usage_of
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.positions import ID
from guard.upstream.sse import EventStream

__all__ = ["ChatStreamReader", "ChatStreamWriter", "Envelope"]

CHUNK_LIMITS = BodyLimits(bytes=4 * 2**20, depth=32, strings=10_000)
ENVELOPE = ("id", "created", "model", "system_fingerprint", "service_tier")
STRUCTURAL = frozenset({"role", "tool_calls", "function_call"})


class Envelope:
    """The members that all chunks of one stream share, from its first chunk."""

    def __init__(self) -> None:
        self.members: JsonObject = {"id": "chatcmpl-guard", "object": "chat.completion.chunk"}

    def learn(self, chunk: JsonObject) -> None:
        """Take ids and numbers of the provider's first chunk."""
        for name in ENVELOPE:
            value = chunk.get(name)
            if isinstance(value, int) or (isinstance(value, str) and ID.fullmatch(value)):
                self.members[name] = value


class ChatStreamReader:
    """Implements ``dialect.StreamReader``."""

    def __init__(self, envelope: Envelope) -> None:
        self._events = EventStream()
        self._envelope = envelope
        self._first = True

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Return what is complete now. Raises ``UpstreamError`` for an error in the stream."""
        events: list[StreamEvent] = []
        for payload in self._events.feed(data):
            if payload.strip() == b"[DONE]":
                events.append(Done())
                continue
            events.extend(self._chunk(payload))
        return events

    def _chunk(self, payload: bytes) -> Iterator[StreamEvent]:
        try:
            chunk = parse(payload, CHUNK_LIMITS)
        except InvalidRequest:
            raise UpstreamError(
                "the provider's stream holds something that is no chunk", code="upstream_invalid"
            ) from None
        if chunk.get("error"):
            raise UpstreamError("the provider reported an error in its stream", code="upstream_error")
        if self._first:
            self._envelope.learn(chunk)
            self._first = False
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                yield from _choice(choice)
        usage = usage_of(chunk.get("usage"))
        if usage is not None:
            yield Counted(usage=usage)


def _choice(choice: JsonObject) -> Iterator[StreamEvent]:
    index = choice.get("index")
    number = index if isinstance(index, int) else 0
    delta = choice.get("delta")
    if isinstance(delta, dict):
        for name, text in delta.items():
            if isinstance(text, str) and text and name not in STRUCTURAL and ID.fullmatch(name):
                yield TextDelta(choice=number, name=name, text=text)
        calls = delta.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            if isinstance(call, dict):
                yield _tool(number, call)
    reason = choice.get("finish_reason")
    if isinstance(reason, str):
        yield Finish(choice=number, reason=reason if ID.fullmatch(reason) else "stop")


def _tool(choice: int, call: JsonObject) -> ToolDelta:
    function = call.get("function")
    members = function if isinstance(function, dict) else {}
    index = call.get("index")
    return ToolDelta(
        choice=choice,
        index=index if isinstance(index, int) else 0,
        id=_id(call.get("id")),
        name=_id(members.get("name")),
        arguments=_string(members.get("arguments")),
    )


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _id(value: Json) -> str:
    text = _string(value)
    if text and not ID.fullmatch(text):
        raise UpstreamError("the provider's stream names a tool in no valid way", code="upstream_invalid")
    return text


class ChatStreamWriter:
    """Implements ``dialect.StreamWriter``; ``include_usage``: the caller asked for counts."""

    def __init__(self, envelope: Envelope, *, include_usage: bool) -> None:
        self._envelope = envelope
        self._include_usage = include_usage
        self._begun: set[int] = set()

    def _render(self, choice: int, delta: JsonObject, reason: str | None = None) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", **delta}
        body: JsonObject = {
            **self._envelope.members,
            "choices": [{"index": choice, "delta": delta, "finish_reason": reason}],
        }
        return b"data: " + render(body) + b"\n\n"

    def text(self, choice: int, name: str, text: str) -> bytes:
        """Render more text of a field."""
        return self._render(choice, {name: text})

    def tool(self, choice: int, index: int, *, id: str, name: str, arguments: str) -> bytes:
        """Render one whole tool call as one delta."""
        call: JsonObject = {
            "index": index,
            "id": id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        return self._render(choice, {"tool_calls": [call]})

    def finish(self, choice: int, reason: str) -> bytes:
        """Render the end of a choice."""
        return self._render(choice, {}, reason)

    def blocked(self, choice: int, explanation: str) -> bytes:
        """Render the end of a choice that a rule stopped (anchored in the SDKs' behaviour)."""
        return self._render(choice, {"refusal": explanation}) + self._render(choice, {}, "content_filter")

    def end(self, usage: Usage | None) -> bytes:
        """Render usage, if asked for, and the terminator."""
        last = b"data: [DONE]\n\n"
        if not self._include_usage or usage is None:
            return last
        counts: JsonObject = {
            "prompt_tokens": usage["prompt"],
            "completion_tokens": usage["completion"],
            "total_tokens": usage["prompt"] + usage["completion"],
        }
        body: JsonObject = {**self._envelope.members, "choices": [], "usage": counts}
        return b"data: " + render(body) + b"\n\n" + last

    def keep_alive(self) -> bytes:
        """Render a comment."""
        return b": keep-alive\n\n"
