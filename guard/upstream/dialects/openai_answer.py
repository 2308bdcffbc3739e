"""Plain answers of Chat Completions: every string that is no enumeration is a channel.

Restored are ``content``, ``refusal`` and what goes to tools. Ids, names, reasoning and
members that Guard does not know are screened and keep their surrogates, so that ids stay
ids and signed reasoning goes back untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.exchange import Encoding, Part
from guard.errors import InvalidRequest, UpstreamError
from guard.upstream.dialect import AnswerChannel, Usage
from guard.upstream.edit import edited
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.positions import FREE, AnyNumber, Each, Flag, JsonSource, Members, Path, Places, Words

__all__ = ["RESTORED", "read_answer", "usage_of"]

ANSWER_LIMITS = BodyLimits(bytes=32 * 2**20)
REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
RESTORED = frozenset({"content", "refusal"})
"""Members of a message that are prose for the caller."""

MOST_TOKENS = 10**9
"""A count above is no count: it would be charged to the caller's limit."""

STAYS = frozenset({"role", "content", "reasoning_content", "reasoning"})
"""Members of a message that a stopped choice keeps; its refusal says why it stopped."""

_number = AnyNumber()
_counts = Members(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), _number))
_call = Members({"name": FREE, "arguments": JsonSource()})
_tool_call = Members(
    {
        "id": FREE,
        "type": Words(frozenset({"function", "custom"})),
        "index": _number,
        "function": _call,
        "custom": Members({"name": FREE, "input": FREE}),
    }
)
_message = Members(
    {
        "role": Words(frozenset({"assistant"})),
        "content": FREE,
        "refusal": FREE,
        "reasoning_content": FREE,
        "reasoning": FREE,
        "tool_calls": Each(_tool_call),
        "function_call": _call,
    }
)
ANSWER = Members(
    {
        "id": FREE,
        "object": Words(frozenset({"chat.completion"})),
        "created": _number,
        "model": FREE,
        "system_fingerprint": FREE,
        "service_tier": Words(frozenset({"auto", "default", "flex", "priority", "scale"})),
        "usage": _counts,
        "choices": Each(
            Members(
                {"index": _number, "finish_reason": Words(REASONS), "message": _message, "logprobs": Flag()}
            )
        ),
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
        kept = {index: text for index, text in texts.items() if not _goes(self.paths[index], blocked)}
        value = edited(self.value, self.parts, self.paths, kept)
        choices = value.get("choices")
        if blocked and isinstance(choices, list):
            value["choices"] = [
                _stopped(choice, blocked[number]) if number in blocked else choice
                for number, choice in enumerate(choices)
            ]
        return render(value)


def _goes(path: Path, blocked: Mapping[int, str]) -> bool:
    """Whether a text stands where a stopped choice keeps nothing."""
    if _choice(path) not in blocked:
        return False
    place = path[2:4]
    return place[0] != "message" or len(place) == 1 or place[1] not in {*STAYS, "refusal"}


def _stopped(choice: Json, explanation: str) -> Json:
    if not isinstance(choice, dict):
        return choice
    message = choice.get("message")
    members = message if isinstance(message, dict) else {}
    refusal = members.get("refusal")
    kept = {name: member for name, member in members.items() if name in STAYS}
    said = refusal + explanation if isinstance(refusal, str) else explanation
    return {
        "index": choice.get("index", 0),
        "message": {**kept, "refusal": said},
        "finish_reason": "content_filter",
    }


def read_answer(body: bytes) -> ChatAnswer:
    """Parse an answer. Raises ``UpstreamError`` for anything that is none."""
    try:
        value = parse(body, ANSWER_LIMITS)
        if value.get("error") is not None or not isinstance(value.get("choices"), list):
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


def _choice(path: Path) -> int:
    return path[1] if path[:1] == ("choices",) and len(path) > 1 and isinstance(path[1], int) else -1


def _channel(value: JsonObject, part: Part, path: Path) -> AnswerChannel:
    sink = _sink(value, path)
    return AnswerChannel(
        choice=_choice(path),
        text=part.text,
        sink=sink or "prose",
        restores=sink is not None and part.encoding is not Encoding.KEY,
        json_text=part.encoding is Encoding.JSON,
    )


def _sink(value: JsonObject, path: Path) -> str | None:
    """Return where a restored value would land, or ``None`` where nothing is restored."""
    place = path[3:] if path[:1] == ("choices",) and path[2:3] == ("message",) else ()
    if len(place) == 1 and place[0] in RESTORED:
        return "prose"
    if place[:1] == ("content",) and place[2:] in {("text",), ("refusal",)}:
        part = _at(value, path[:-1])
        typed = part.get("type") if isinstance(part, dict) else None
        return "prose" if typed == place[2] else None
    steps = _steps_to_call(place)
    if steps is None:
        return None
    call = _at(value, path[: 3 + steps])
    name = call.get("name") if isinstance(call, dict) else None
    return f"tool:{name}" if isinstance(name, str) else "tool:"


def _steps_to_call(place: Path) -> int | None:
    """Return how far below a message the call stands whose arguments are at ``place``."""
    if place[:1] == ("tool_calls",) and place[2:4] in {("function", "arguments"), ("custom", "input")}:
        return 3
    return 1 if place[:2] == ("function_call", "arguments") else None


def _at(value: Json, path: Path) -> Json:
    for step in path:
        if isinstance(value, dict):
            value = value[str(step)]
        elif isinstance(value, list):
            value = value[int(step)]
    return value


def usage_of(value: Json) -> Usage | None:
    """Return the token counts of a ``usage`` object, if it has them."""
    if not isinstance(value, dict):
        return None
    prompt, completion = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    return None if prompt is None or completion is None else {"prompt": prompt, "completion": completion}


def _count(value: Json) -> int | None:
    plausible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS
    return int(value) if plausible and isinstance(value, int) else None
