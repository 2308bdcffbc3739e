"""Streams of Chat Completions: provider's chunks → events, events → chunks for the caller.

Nothing of a chunk travels as it came: texts, ids and names pass channels, numbers are
checked, members that Guard does not know and that are no text are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.errors import InvalidRequest, UpstreamError
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
from guard.upstream.dialects.openai_answer import RESTORED, usage_of
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.sse import EventStream

__all__ = ["ChatStreamReader", "ChatStreamWriter"]

CHUNK_LIMITS = BodyLimits(bytes=4 * 2**20, depth=32, strings=10_000)
ENVELOPE = ("id", "created", "model", "system_fingerprint", "service_tier")
SPOKEN = frozenset({"content", "refusal", "reasoning_content", "reasoning"})
"""Members that are text; anything else in their place would be lost, so it is an error."""

STRUCTURAL = frozenset({"role", "tool_calls", "function_call"})
NAME = re.compile(r"[A-Za-z_]{1,64}")
MOST_CHOICES = 128
MOST_CALLS = 1024
COUNT_DEPTH = 3


def _invalid(what: str) -> UpstreamError:
    return UpstreamError(f"the provider's stream {what}", code="upstream_invalid")


class ChatStreamReader:
    """Implements ``dialect.StreamReader``."""

    def __init__(self) -> None:
        self._events = EventStream()
        self._known: set[str] = set()

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
            raise _invalid("holds something that is no chunk") from None
        if chunk.get("error") is not None:
            raise UpstreamError("the provider reported an error in its stream", code="upstream_error")
        # The first chunk of some providers names nothing yet; later ones change nothing.
        new = {name: chunk[name] for name in ENVELOPE if name not in self._known and _plain(chunk.get(name))}
        if new:
            self._known.update(new)
            yield Opened(members=new)
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                yield from _choice(choice)
        usage = usage_of(chunk.get("usage"))
        if usage is not None:
            yield Counted(usage=usage, members=_counts(chunk.get("usage"), COUNT_DEPTH))


def _plain(value: Json) -> bool:
    return isinstance(value, int | str) and value != ""


def _counts(value: Json, depth: int) -> JsonObject:
    """Return the numbers of a ``usage`` object; nothing in it is text."""
    counts: JsonObject = {}
    for name, member in value.items() if isinstance(value, dict) and depth else ():
        if NAME.fullmatch(name) is None:
            continue
        if isinstance(member, int | float) and not isinstance(member, bool):
            counts[name] = member
        elif isinstance(member, dict):
            counts[name] = _counts(member, depth - 1)
    return counts


def _choice(choice: JsonObject) -> Iterator[StreamEvent]:
    number = _index(choice.get("index"), MOST_CHOICES)
    delta = choice.get("delta")
    if isinstance(delta, dict):
        for name, text in delta.items():
            if name in SPOKEN and not (text is None or isinstance(text, str)):
                raise _invalid("holds a text that is none")
            if isinstance(text, str) and text and name not in STRUCTURAL and NAME.fullmatch(name):
                yield TextDelta(choice=number, name=name, text=text, restores=name in RESTORED)
        yield from _calls(number, delta)
    reason = choice.get("finish_reason")
    if reason is not None:
        if not isinstance(reason, str) or NAME.fullmatch(reason) is None:
            raise _invalid("ends in no valid way")
        yield Finish(choice=number, reason=reason)


def _calls(choice: int, delta: JsonObject) -> Iterator[StreamEvent]:
    calls = delta.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            kind = CallKind.CUSTOM if isinstance(call.get("custom"), dict) else CallKind.FUNCTION
            index = _index(call.get("index"), MOST_CALLS)
            yield _call(choice, index, kind, call.get("id"), call.get(kind))
    legacy = delta.get("function_call")
    if isinstance(legacy, dict):
        yield _call(choice, 0, CallKind.LEGACY, None, legacy)


def _call(choice: int, index: int, kind: CallKind, id: Json, members: Json) -> ToolDelta:
    known = members if isinstance(members, dict) else {}
    return ToolDelta(
        choice=choice,
        index=index,
        kind=kind,
        id=_string(id),
        name=_string(known.get("name")),
        arguments=_string(known.get("input" if kind is CallKind.CUSTOM else "arguments")),
    )


def _string(value: Json) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _invalid("calls a tool in no valid way")
    return value


def _index(value: Json, most: int) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < most:
        raise _invalid("counts in no valid way")
    return value


class ChatStreamWriter:
    """Implements ``dialect.StreamWriter``; ``include_usage``: the caller asked for counts."""

    def __init__(self, *, include_usage: bool) -> None:
        self._envelope: JsonObject = {"id": "chatcmpl-guard", "object": "chat.completion.chunk"}
        self._include_usage = include_usage
        self._begun: set[int] = set()

    def open(self, members: JsonObject) -> None:
        """Take the members that all chunks share."""
        self._envelope = {**self._envelope, **members}

    def _render(self, choice: int, delta: JsonObject, reason: str | None = None) -> bytes:
        if choice not in self._begun:
            self._begun.add(choice)
            delta = {"role": "assistant", **delta}
        choices: list[Json] = [{"index": choice, "delta": delta, "finish_reason": reason}]
        return b"data: " + render({**self._envelope, "choices": choices}) + b"\n\n"

    def text(self, choice: int, name: str, text: str) -> bytes:
        """Render more text of a field."""
        return self._render(choice, {name: text})

    def tool(self, choice: int, call: ToolCall) -> bytes:
        """Render one whole tool call as one delta."""
        if call.kind is CallKind.LEGACY:
            return self._render(choice, {"function_call": {"name": call.name, "arguments": call.arguments}})
        source = "input" if call.kind is CallKind.CUSTOM else "arguments"
        called: JsonObject = {"name": call.name, source: call.arguments}
        written: JsonObject = {
            "index": call.index,
            "id": call.id,
            "type": call.kind.value,
            call.kind.value: called,
        }
        return self._render(choice, {"tool_calls": [written]})

    def finish(self, choice: int, reason: str) -> bytes:
        """Render the end of a choice."""
        return self._render(choice, {}, reason)

    def blocked(self, choice: int, explanation: str) -> bytes:
        """Render the end of a choice that a rule stopped (anchored in the SDKs' behaviour)."""
        return self._render(choice, {"refusal": explanation}) + self._render(choice, {}, "content_filter")

    def end(self, counted: Counted | None) -> bytes:
        """Render usage, if asked for, and the terminator."""
        last = b"data: [DONE]\n\n"
        if not self._include_usage or counted is None:
            return last
        return (
            b"data: " + render({**self._envelope, "choices": [], "usage": counted.members}) + b"\n\n" + last
        )

    def keep_alive(self) -> bytes:
        """Render a comment."""
        return b": keep-alive\n\n"
