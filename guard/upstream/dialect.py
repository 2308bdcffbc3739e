"""The port that every provider protocol implements: find texts, write them back, stream.

A dialect never does I/O and never decides; it knows where texts stand on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from guard.domain.exchange import Part
from guard.upstream.json_text import BodyLimits, JsonObject

__all__ = [
    "AnswerChannel",
    "AnswerDocument",
    "CallKind",
    "Counted",
    "Dialect",
    "Done",
    "Finish",
    "Opened",
    "Reading",
    "StreamEvent",
    "StreamReader",
    "StreamWriter",
    "TextDelta",
    "ToolCall",
    "ToolDelta",
    "Usage",
]

Usage = Mapping[str, int]
"""``prompt`` and ``completion``: the provider's token counts."""


class Reading(Protocol):
    """A parsed request."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every text, in document order."""
        ...

    @property
    def model(self) -> str:
        """The model that the caller asks for."""
        ...

    @property
    def stream(self) -> bool:
        """Whether the answer is to be streamed."""
        ...

    @property
    def include_usage(self) -> bool:
        """Whether the caller asked for usage at the end of a stream."""
        ...

    @property
    def conversation(self) -> str | None:
        """The dialect's own name of the conversation, if the body has one."""
        ...

    def lookup(self, dotted: str) -> str | None:
        """Return a string field of the body by its dotted name."""
        ...

    def write(self, texts: Mapping[int, str], *, model: str) -> bytes:
        """Return the body for a target, with some parts' texts replaced."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerChannel:
    """One text of a plain answer.

    ``sink``: where restored values land (``prose``, ``tool:NAME``). ``restores``: only for
    what a person or a tool gets; never for reasoning, ids and members that the dialect does
    not know. ``json_text``: the text is JSON source. ``choice`` is -1 outside of choices.
    """

    choice: int
    text: str = field(repr=False)
    sink: str
    restores: bool
    json_text: bool

    @property
    def tool(self) -> bool:
        """Whether the text goes to a tool."""
        return self.sink.startswith("tool:")


class AnswerDocument(Protocol):
    """A parsed plain answer."""

    @property
    def channels(self) -> Sequence[AnswerChannel]:
        """Every text of it."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The provider's token counts."""
        ...

    def write(self, texts: Mapping[int, str], blocked: Mapping[int, str]) -> bytes:
        """Return the answer with texts replaced; ``blocked`` explains, by choice, what was stopped."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The members that all chunks of a stream share. Strings are screened like any text."""

    members: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More text of a field (``content``, ``refusal``, ``reasoning_content``) of a choice."""

    choice: int
    name: str
    text: str = field(repr=False)
    restores: bool


class CallKind(StrEnum):
    """How a tool is called."""

    FUNCTION = "function"
    CUSTOM = "custom"
    """Its input is text, not JSON."""
    LEGACY = "legacy"
    """The one ``function_call`` of a message, from before there were tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDelta:
    """More of a tool call; ``id`` and ``name`` come once, ``arguments`` in fragments."""

    choice: int
    index: int
    kind: CallKind
    id: str
    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A whole tool call, screened and restored."""

    index: int
    kind: CallKind
    id: str
    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """A choice has ended."""

    choice: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The provider's token counts; ``members`` are all numbers that it gave, for the caller."""

    usage: Usage
    members: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The provider says that the stream is complete."""


StreamEvent = Opened | TextDelta | ToolDelta | Finish | Counted | Done


class StreamReader(Protocol):
    """Reads a provider's stream, cut anywhere. Raises ``UpstreamError``."""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """Take bytes, return the events that are complete now."""
        ...


class StreamWriter(Protocol):
    """Renders events in the provider's own envelope."""

    def open(self, members: JsonObject) -> None:
        """Take the members that all chunks share."""
        ...

    def text(self, choice: int, name: str, text: str) -> bytes:
        """Render a piece of a text channel."""
        ...

    def tool(self, choice: int, call: ToolCall) -> bytes:
        """Render one tool call, whole."""
        ...

    def finish(self, choice: int, reason: str) -> bytes:
        """Render the end of a choice."""
        ...

    def blocked(self, choice: int, explanation: str) -> bytes:
        """Render the end of a choice that policy stopped."""
        ...

    def end(self, counted: Counted | None) -> bytes:
        """Render the last bytes: usage, if asked for, and the terminator."""
        ...

    def keep_alive(self) -> bytes:
        """Render a comment that clients ignore."""
        ...


class Dialect(Protocol):
    """One provider protocol; ``name`` is its word in ``guard.yaml``."""

    @property
    def name(self) -> str:
        """Which providers speak it."""
        ...

    def path(self, model: str) -> str:
        """Return where a provider serves the endpoint, below its base URL."""
        ...

    def read(self, body: bytes, limits: BodyLimits, *, named: str | None = None) -> Reading:
        """Parse a request. ``named``: the model in the path, where it stands there.

        Raises ``InvalidRequest``.
        """
        ...

    def read_answer(self, body: bytes) -> AnswerDocument:
        """Parse a plain answer. Raises ``UpstreamError``."""
        ...

    def stream(self, reading: Reading) -> tuple[StreamReader, StreamWriter]:
        """Return the reader and the writer of one stream."""
        ...
