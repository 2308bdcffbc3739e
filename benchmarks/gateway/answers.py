"""A provider's answer as choices, written plain or as a stream cut anywhere, and read back.

``Choice`` is both what a provider says and what a caller sees, so that the two ways of
writing can be compared by what arrives.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Call", "Choice", "cut", "plain", "read_plain", "read_stream", "streamed"]

HEAD = {"id": "chatcmpl-told", "created": 1_700_000_000, "model": "bench-model"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
ENDINGS = (b"\n\n", b"\r\n\r\n", b"\n: comment\n\n")


@dataclass(slots=True, kw_only=True)
class Call:
    """A tool call; ``arguments`` is JSON source."""

    name: str = ""
    arguments: str = ""


@dataclass(slots=True, kw_only=True)
class Choice:
    """What one choice says: fields of text, tool calls, the reason why it ended."""

    texts: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    reason: str | None = None


def plain(choices: Sequence[Choice]) -> list[bytes]:
    """Return the answer in one piece."""
    listed = [
        {"index": index, "message": _message(choice), "finish_reason": choice.reason}
        for index, choice in enumerate(choices)
    ]
    document = {**HEAD, "object": "chat.completion", "choices": listed, "usage": USAGE}
    return [json.dumps(document, ensure_ascii=False).encode()]


def _message(choice: Choice) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", "content": None, **choice.texts}
    if choice.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for index, call in enumerate(choice.calls)
        ]
    return message


def cut(source: random.Random, whole: str, most: int) -> list[str]:
    """Cut a text at up to ``most`` random places; pieces may be empty."""
    places = sorted(source.randint(0, len(whole)) for _ in range(source.randint(0, most)))
    return [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]


def streamed(source: random.Random, choices: Sequence[Choice]) -> list[bytes]:
    """Return the answer as a stream: deltas cut anywhere, choices interleaved, bytes cut anywhere."""
    queues = [_deltas(source, choice) for choice in choices]
    events: list[bytes] = []
    ending = source.choice(ENDINGS)
    while any(queues):
        index = source.choice([number for number, queue in enumerate(queues) if queue])
        delta, reason = queues[index].pop(0)
        events.append(_event(index, delta, reason, ascii_only=source.random() < 0.5) + ending)
    usage = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    whole = b"".join(events) + b"data: " + json.dumps(usage).encode() + ending + b"data: [DONE]" + ending
    return _pieces(source, whole)


def _pieces(source: random.Random, whole: bytes) -> list[bytes]:
    """Cut bytes: not at all, into single bytes now and then, mostly at a few random places."""
    kind = source.random()
    if kind < 0.1:
        return [whole]
    if kind < 0.15:
        return [whole[at : at + 1] for at in range(len(whole))]
    places = sorted(source.randint(0, len(whole)) for _ in range(source.randint(1, 24)))
    return [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]


def _deltas(source: random.Random, choice: Choice) -> list[tuple[dict[str, object], str | None]]:
    deltas: list[tuple[dict[str, object], str | None]] = [({"role": "assistant"}, None)]
    for name, text in choice.texts.items():
        deltas += [({name: piece}, None) for piece in cut(source, text, 1 + len(text) // 3)]
    for index, call in enumerate(choice.calls):
        opened = {"index": index, "id": f"call_{index}", "type": "function"}
        deltas.append(({"tool_calls": [{**opened, "function": {"name": call.name, "arguments": ""}}]}, None))
        deltas += [
            ({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None)
            for piece in cut(source, call.arguments, 8)
        ]
    deltas.append(({}, choice.reason))
    return deltas


def _event(index: int, delta: dict[str, object], reason: str | None, *, ascii_only: bool) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    chunk = {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(chunk, ensure_ascii=ascii_only).encode()


def read_plain(body: bytes) -> list[Choice]:
    """Return what a caller sees of a plain answer."""
    choices: list[Choice] = []
    for entry in json.loads(body)["choices"]:
        message = entry["message"]
        texts = {
            name: member
            for name, member in message.items()
            if name not in ("role", "tool_calls") and isinstance(member, str) and member
        }
        calls = [
            Call(name=call["function"]["name"], arguments=call["function"]["arguments"])
            for call in message.get("tool_calls") or ()
        ]
        choices.append(Choice(texts=texts, calls=calls, reason=entry["finish_reason"]))
    return choices


def read_stream(body: bytes, count: int) -> list[Choice]:
    """Return what a caller has put together of a stream with ``count`` choices."""
    choices = [Choice() for _ in range(count)]
    for frame in body.decode().split("\n\n"):
        payload = frame.removeprefix("data: ")
        if not frame.startswith("data: ") or payload == "[DONE]":
            continue
        for entry in json.loads(payload)["choices"]:
            _read_delta(choices[entry["index"]], entry)
    return choices


def _read_delta(choice: Choice, entry: dict[str, object]) -> None:
    delta = entry["delta"]
    assert isinstance(delta, dict)
    for name, member in delta.items():
        if name not in ("role", "tool_calls") and isinstance(member, str):
            choice.texts[name] = choice.texts.get(name, "") + member
    for call in delta.get("tool_calls") or ():
        while len(choice.calls) <= call["index"]:
            choice.calls.append(Call())
        known = choice.calls[call["index"]]
        known.name += call["function"].get("name") or ""
        known.arguments += call["function"].get("arguments") or ""
    reason = entry.get("finish_reason")
    choice.reason = reason if isinstance(reason, str) else choice.reason
