"""OpenAI Chat Completions: where the texts of a request stand, and how it is written again.

Structural are enumerations, numbers in range and bounded ids; nothing here is byte-exact;
everything else is screened (DESIGN §2, closed by default).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain.exchange import Part
from guard.errors import InvalidRequest
from guard.upstream.edit import edited
from guard.upstream.json_text import BodyLimits, Json, JsonObject, parse, render
from guard.upstream.positions import (
    FREE,
    Choice,
    Each,
    Flag,
    Foreign,
    Id,
    JsonSource,
    Members,
    Number,
    Path,
    Places,
    Refused,
    Words,
    wrong,
)

__all__ = ["ChatReading", "read"]

LATER = "image, audio and file parts come later; send text"
MAX_CHOICES = 16
CALLERS = frozenset({"system", "developer", "user"})
"""Roles whose messages are the caller's own words."""


def _words(text: str) -> Words:
    return Words(frozenset(text.split()))


@dataclass(frozen=True, slots=True)
class _Content:
    """A message's content: text, or a list of texts and text parts; never tokens, never media."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Walk the content."""
        if value is None or isinstance(value, str):
            FREE.walk(value, position, path, places, by_caller=by_caller)
            return
        if not isinstance(value, list):
            raise wrong(position, "a text or a list of text parts")
        if any(isinstance(member, int | float | list) for member in value):
            raise InvalidRequest(
                "token arrays cannot be screened; send text", code="token_input", position=position
            )
        for number, member in enumerate(value):
            if isinstance(member, dict) and member.get("type") not in ("text", "refusal"):
                raise InvalidRequest(LATER, code="unsupported_content", position=f"{position}[{number}]")
        _parts.walk(value, position, path, places, by_caller=by_caller)


_later = Refused(LATER, "unsupported_content")
_parts = Each(Members({"type": _words("text refusal"), "text": FREE, "refusal": FREE}))
_content = _Content()
_function = Members({"name": Id(), "description": FREE, "parameters": FREE, "strict": Flag()})
_call = Members({"name": Id(), "arguments": JsonSource()})
_tool_call = Members(
    {
        "id": Id(),
        "type": _words("function custom"),
        "function": _call,
        "custom": Members({"name": Id(), "input": FREE}),
        "index": Number(0, 1024),
    }
)
_message = Members(
    {
        "role": _words("system developer user assistant tool function"),
        "content": _content,
        "name": FREE,
        "refusal": FREE,
        "tool_call_id": Id(),
        "tool_calls": Each(_tool_call),
        "function_call": _call,
        "audio": _later,
    },
    callers=CALLERS,
)
_tool = Members(
    {
        "type": _words("function custom"),
        "function": _function,
        "custom": Members({"name": Id(), "description": FREE, "format": FREE}),
    }
)
_name = Members({"name": Id()})
_named = Members({"type": _words("function custom allowed_tools"), "function": _name, "custom": _name})
_tokens = Number(0, 10_000_000)

REQUEST = Members(
    {
        "model": Id(),
        "messages": Each(_message),
        "stream": Flag(),
        "stream_options": Members({"include_usage": Flag(), "include_obfuscation": Flag()}),
        "n": Number(1, MAX_CHOICES),
        # Not the caller's own words: definitions often come from servers of strangers.
        "tools": Foreign(Each(_tool)),
        "tool_choice": Each(_named, otherwise=Choice({"function": _named, "custom": _named})),
        "parallel_tool_calls": Flag(),
        "functions": Foreign(Each(_function)),
        "function_call": _name,
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "frequency_penalty": Number(-2, 2),
        "presence_penalty": Number(-2, 2),
        "max_tokens": _tokens,
        "max_completion_tokens": _tokens,
        "seed": Number(-(2**63), 2**63),
        "logprobs": Refused("logprobs would show tokens that cannot be screened", "logprobs_refused"),
        "top_logprobs": Refused("logprobs would show tokens that cannot be screened", "logprobs_refused"),
        "stop": Each(FREE),
        "user": FREE,
        "safety_identifier": FREE,
        "prompt_cache_key": FREE,
        "metadata": FREE,
        "response_format": FREE,
        "store": Flag(),
        "service_tier": _words("auto default flex priority scale"),
        "reasoning_effort": _words("none minimal low medium high xhigh"),
        "verbosity": _words("low medium high"),
        "modalities": Each(_words("text")),
        "prediction": Members({"type": _words("content"), "content": _content}),
        "audio": _later,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReading:
    """A parsed request. ``choices`` is ``n``; ``conversation`` the dialect's own id."""

    value: JsonObject = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    paths: tuple[Path, ...] = field(repr=False)
    model: str
    stream: bool
    choices: int
    max_tokens: int | None
    include_usage: bool
    conversation: str | None = field(repr=False)

    def lookup(self, dotted: str) -> str | None:
        """Return the string at ``dotted`` (``metadata.user_id``), if there is one."""
        value: Json = self.value
        for name in dotted.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) and value else None

    def write(self, texts: Mapping[int, str], *, model: str) -> bytes:
        """Return the body for a target, with the parts ``texts`` replaced."""
        value = edited(self.value, self.parts, self.paths, texts)
        value["model"] = model
        if self.stream:
            # For metering; the chunk is dropped again if the caller did not ask for it.
            options = value.get("stream_options")
            value["stream_options"] = {
                **(options if isinstance(options, dict) else {}),
                "include_usage": True,
            }
        return render(value)


def read(body: bytes, limits: BodyLimits) -> ChatReading:
    """Parse a request and find every text in it. Raises ``InvalidRequest``."""
    value = parse(body, limits)
    if not isinstance(value.get("model"), str):
        raise wrong("model", "the name of a model")
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong("messages", "a list with at least one message")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise wrong(f"messages[{number}]", "an object with a role")
    places = Places()
    REQUEST.walk(value, "", (), places, by_caller=True)
    options = value.get("stream_options")
    conversation = value.get("prompt_cache_key")
    return ChatReading(
        value=value,
        parts=tuple(places.parts),
        paths=tuple(places.paths),
        model=str(value["model"]),
        stream=value.get("stream") is True,
        choices=_integer(value.get("n")) or 1,
        max_tokens=_integer(value.get("max_completion_tokens")) or _integer(value.get("max_tokens")),
        include_usage=isinstance(options, dict) and options.get("include_usage") is True,
        conversation=conversation if isinstance(conversation, str) and conversation else None,
    )


def _integer(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
