"""Plain answers of Chat Completions: every string that is no id or enumeration is a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.exchange import Encoding, Part
from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialect import AnswerChannel, Usage
from guard.upstream.edit import edited
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.positions import FREE, ID, Each, Flag, JsonSource, Members, Path, Places, Text, Words

__all__ = ["ANSWER_LIMITS", "ChatAnswer", "read_answer", "usage_of"]

ANSWER_LIMITS = BodyLimits(bytes=32 * 2**20, depth=64, strings=500_000)


@dataclass(frozen=True, slots=True)
class _Known:
    """An id or number of the provider's: passed as it is if it looks like one."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Screen whatever does not look like an id."""
        if (isinstance(value, str) and not ID.fullmatch(value)) or isinstance(value, dict | list):
            FREE.walk(value, position, path, places, by_caller=by_caller)


_known = _Known()
_counts = Members(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _known))
_call = Members({"name": _known, "arguments": JsonSource()})
_message = Members(
    {
        "role": Words(frozenset({"assistant"})),
        "content": Text(),
        "refusal": Text(),
        "reasoning_content": Text(),
        "reasoning": Text(),
        "tool_calls": Each(Members({"id": _known, "type": _known, "index": _known, "function": _call})),
        "function_call": _call,
    }
)
_choice = Members(
    {
        "index": _known,
        "finish_reason": _known,
        "message": _message,
        "logprobs": Flag(),
    }
)
ANSWER = Members(
    {
        "id": _known,
        "object": _known,
        "created": _known,
        "model": _known,
        "system_fingerprint": _known,
        "service_tier": _known,
        "usage": _counts,
        "choices": Each(_choice),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatAnswer:
    """A parsed answer; implements ``dialect.AnswerDocument``."""

    value: JsonObject = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    channels: tuple[AnswerChannel, ...] = field(repr=False)
    usage: Usage | None

    def write(self, texts: Mapping[int, str], blocked: Mapping[int, str]) -> bytes:
        """Return the answer; a blocked choice keeps its released text and says why it stopped."""
        value = edited(self.value, self.parts, self.paths, texts)
        choices = value.get("choices")
        if blocked and isinstance(choices, list):
            value["choices"] = [
                _stopped(choice, blocked[number]) if number in blocked else choice
                for number, choice in enumerate(choices)
            ]
        return render(value)


def _stopped(choice: Json, explanation: str) -> Json:
    if not isinstance(choice, dict):
        return choice
    message = choice.get("message")
    kept = {
        name: member
        for name, member in (message.items() if isinstance(message, dict) else ())
        if name in ("role", "content", "reasoning_content", "reasoning")
    }
    return {**choice, "message": {**kept, "refusal": explanation}, "finish_reason": "content_filter"}


def read_answer(body: bytes) -> ChatAnswer:
    """Parse an answer. Raises ``UpstreamError`` for anything that is none."""
    try:
        value = parse(body, ANSWER_LIMITS)
        if isinstance(value.get("error"), dict) or not isinstance(value.get("choices"), list):
            raise UpstreamError("the provider answered with an error inside a success", code="upstream_error")
        _drop_logprobs(value)
        places = Places()
        ANSWER.walk(value, "", (), places, by_caller=False)
    except InvalidRequest:
        raise UpstreamError("the provider's answer cannot be read", code="upstream_invalid") from None
    channels = tuple(
        _channel(value, part, path) for part, path in zip(places.parts, places.paths, strict=True)
    )
    return ChatAnswer(
        value=value,
        parts=tuple(places.parts),
        paths=tuple(places.paths),
        channels=channels,
        usage=usage_of(value.get("usage")),
    )


def _drop_logprobs(value: JsonObject) -> None:
    """Logprobs spell the text out token by token, unscreened: they do not pass."""
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("logprobs") is not None:
            choice["logprobs"] = None


def _channel(value: JsonObject, part: Part, path: Path) -> AnswerChannel:
    json_text = part.encoding is Encoding.JSON
    sink = "prose"
    if json_text:
        call: Json = value
        for step in path[:-1]:
            call = call[step]  # type: ignore[index]
        name = call.get("name") if isinstance(call, dict) else None
        sink = f"tool:{name}" if isinstance(name, str) else "tool:"
    choice = path[1] if len(path) > 1 and path[0] == "choices" and isinstance(path[1], int) else -1
    return AnswerChannel(
        choice=choice,
        text=part.text,
        sink=sink,
        restores=not any(isinstance(step, str) and step.startswith("reasoning") for step in path)
        and part.encoding is not Encoding.KEY,
        json_text=json_text,
    )


def usage_of(value: Json) -> Usage | None:
    """Return the token counts of a ``usage`` object, if it has them."""
    if not isinstance(value, dict):
        return None
    prompt, completion = value.get("prompt_tokens"), value.get("completion_tokens")
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    return {"prompt": prompt, "completion": completion}
