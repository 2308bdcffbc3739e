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
    Choice,
    Each,
    Flag,
    Free,
    Id,
    JsonSource,
    Members,
    Number,
    Path,
    Places,
    Refused,
    Text,
    Words,
    wrong,
)

__all__ = ["ChatReading", "read"]

LATER = "image, audio and file parts come later; send text"
MAX_CHOICES = 16


def _words(text: str) -> Words:
    return Words(frozenset(text.split()))


@dataclass(frozen=True, slots=True)
class _Content:
    """A message's content: text, or a list of typed parts; never tokens."""

    parts: Each

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Walk the content."""
        if isinstance(value, list) and any(isinstance(m, int) and not isinstance(m, bool) for m in value):
            raise InvalidRequest(
                "token arrays cannot be screened; send text", code="token_input", position=position
            )
        self.parts.walk(value, position, path, places, by_caller=by_caller)


_later = Refused(LATER, "unsupported_content")
_text_part = Members({"type": _words("text refusal"), "text": Text(), "refusal": Text()})
_content = _Content(
    Each(
        Choice(
            {
                "text": _text_part,
                "refusal": _text_part,
                "image_url": _later,
                "input_audio": _later,
                "file": _later,
            }
        )
    )
)
_function = Members({"name": Id(), "description": Text(own=True), "parameters": Free(), "strict": Flag()})
_call = Members({"name": Id(), "arguments": JsonSource()})
_tool_call = Members(
    {"id": Id(), "type": _words("function custom"), "function": _call, "index": Number(0, 1024)}
)
_message = Members(
    {
        "role": _words("system developer user assistant tool function"),
        "content": _content,
        "name": Text(),
        "refusal": Text(),
        "tool_call_id": Id(),
        "tool_calls": Each(_tool_call),
        "function_call": _call,
        "audio": _later,
    },
    callers=frozenset({"system", "developer", "user"}),
)
_named = Members({"type": _words("function custom allowed_tools"), "function": Members({"name": Id()})})
_tokens = Number(0, 10_000_000)

REQUEST = Members(
    {
        "model": Id(),
        "messages": Each(_message),
        "stream": Flag(),
        "stream_options": Members({"include_usage": Flag(), "include_obfuscation": Flag()}),
        "n": Number(1, MAX_CHOICES),
        "tools": Each(Members({"type": _words("function custom"), "function": _function})),
        "tool_choice": Each(_named, otherwise=Choice({"function": _named})),
        "parallel_tool_calls": Flag(),
        "functions": Each(_function),
        "function_call": Each(_named, otherwise=Members({"name": Id()})),
        "temperature": Number(0, 2),
        "top_p": Number(0, 1),
        "frequency_penalty": Number(-2, 2),
        "presence_penalty": Number(-2, 2),
        "max_tokens": _tokens,
        "max_completion_tokens": _tokens,
        "seed": Number(-(2**63), 2**63),
        "logprobs": Refused("logprobs would show tokens that cannot be screened", "logprobs_refused"),
        "top_logprobs": Refused("logprobs would show tokens that cannot be screened", "logprobs_refused"),
        "stop": Each(Text()),
        "user": Text(),
        "safety_identifier": Text(),
        "prompt_cache_key": Text(),
        "metadata": Free(),
        "response_format": Free(),
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
        """Return the string at ``dotted`` (``metadata.user_id``), at most 256 bytes of it."""
        value: Json = self.value
        for name in dotted.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value if isinstance(value, str) and 0 < len(value.encode()) <= 256 else None  # noqa: PLR2004 (DESIGN §5, subject)

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
