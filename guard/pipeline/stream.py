"""A streamed answer: events in, channels held apart, the provider's own envelope out.

Arguments of a tool call are held whole and sent as one delta, and no call of a choice is
sent before all of them are screened. The outcome is durable before the last bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

from guard.errors import GuardError, UpstreamError
from guard.pipeline.channel import Blocked, Channel, ChannelSetting, Tally
from guard.upstream.dialect import (
    Counted,
    Done,
    Finish,
    StreamEvent,
    StreamReader,
    StreamWriter,
    TextDelta,
    ToolDelta,
    Usage,
)
from guard.upstream.provider import UpstreamAnswer

__all__ = ["AnswerStream", "StreamEnd"]

KEEP_ALIVE_SECONDS = 10.0
HELD_LIMIT = 4 * 2**20
"""Code points of tool arguments that one answer may make us hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """How a stream ended; ``digest`` is the hex SHA-256 of what the caller got."""

    end: str
    tally: Tally
    size: int
    digest: str
    usage: Usage | None


@dataclass(slots=True, kw_only=True)
class _Call:
    """A tool call that is being collected."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class AnswerStream:
    """Runs one stream. ``ended`` makes its outcome durable; it is called exactly once."""

    def __init__(
        self,
        answer: UpstreamAnswer,
        reader: StreamReader,
        writer: StreamWriter,
        setting: ChannelSetting,
        ended: Callable[[StreamEnd], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._upstream = answer.chunks()
        self._reader = reader
        self._writer = writer
        self._setting = setting
        self._ended = ended
        self._tally = Tally()
        self._channels: dict[tuple[int, str], Channel] = {}
        self._calls: dict[tuple[int, int], _Call] = {}
        self._open: set[int] = set()
        self._closed: set[int] = set()
        self._blocked = False
        self._held = 0
        self._usage: Usage | None = None
        self._done = False
        self._recorded = False
        self._size = 0
        self._hash = hashlib.sha256()
        self._first = b""

    async def begin(self) -> None:
        """Wait for the first bytes, so that what fails at once can still be an error status."""
        try:
            async for data in self._upstream:
                self._first = self._take(data)
                return
        except BaseException:
            self._answer.close()
            raise
        self._answer.close()
        raise UpstreamError("the provider's stream is empty", code="upstream_invalid")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield what goes to the caller. Raises ``GuardError`` where the stream broke."""
        end = "aborted"
        pending: asyncio.Future[bytes] | None = None
        loop = asyncio.get_running_loop()
        try:
            if self._first:
                yield self._sent(self._first)
            spoken = loop.time()
            while not self._done:
                if pending is None:
                    pending = asyncio.ensure_future(anext(self._upstream))
                await asyncio.wait((pending,), timeout=KEEP_ALIVE_SECONDS)
                out = b""
                if pending.done():
                    try:
                        data = pending.result()
                    except StopAsyncIteration:
                        break
                    pending = None
                    out = self._take(data)
                if out:
                    yield self._sent(out)
                    spoken = loop.time()
                elif loop.time() - spoken >= KEEP_ALIVE_SECONDS:
                    yield self._writer.keep_alive()
                    spoken = loop.time()
            last = self._last()
            end = "blocked" if self._blocked else "complete"
            self._count(last)
            await self._record(end)
            yield last
        except Exception:
            end = "failed"
            raise
        finally:
            if pending is not None:
                pending.cancel()
                with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, GuardError):
                    # Whatever it still brings, nobody will read it.
                    await pending
            self._answer.close()
            if not self._recorded:
                await asyncio.shield(asyncio.ensure_future(self._record(end)))

    def _sent(self, data: bytes) -> bytes:
        self._count(data)
        return data

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)

    async def _record(self, end: str) -> None:
        self._recorded = True
        await self._ended(
            StreamEnd(
                end=end,
                tally=self._tally,
                size=self._size,
                digest=self._hash.hexdigest(),
                usage=self._usage,
            )
        )

    def _take(self, data: bytes) -> bytes:
        return b"".join([self._event(event) for event in self._reader.feed(data)])

    def _last(self) -> bytes:
        """Return the end of a stream whose every choice has finished. Raises ``UpstreamError``."""
        if not self._done or self._open:
            raise UpstreamError("the provider's stream broke off", code="upstream_broken")
        return self._writer.end(self._usage)

    def _event(self, event: StreamEvent) -> bytes:
        if isinstance(event, Counted):
            self._usage = event.usage
        elif isinstance(event, Done):
            self._done = True
        elif event.choice not in self._closed:
            self._open.add(event.choice)
            if isinstance(event, TextDelta):
                return self._text(event)
            if isinstance(event, ToolDelta):
                self._collect(event)
            else:
                return self._finish(event)
        return b""

    def _text(self, event: TextDelta) -> bytes:
        name = (event.choice, event.name)
        channel = self._channels.get(name)
        if channel is None:
            restores = not event.name.startswith("reasoning")
            channel = Channel(self._setting, self._tally, sink="prose", restores=restores)
            self._channels[name] = channel
        try:
            text = channel.feed(event.text)
        except Blocked as block:
            return self._stopped(event.choice, event.name, block)
        return self._writer.text(event.choice, event.name, text) if text else b""

    def _collect(self, event: ToolDelta) -> None:
        call = self._calls.setdefault((event.choice, event.index), _Call())
        call.id = call.id or event.id
        call.name = call.name or event.name
        call.arguments.append(event.arguments)
        self._held += len(event.arguments)
        if self._held > HELD_LIMIT:
            raise UpstreamError("the provider's tool calls are too large", code="upstream_invalid")

    def _finish(self, event: Finish) -> bytes:
        """Settle every channel of a choice, then say why it ended."""
        choice = event.choice
        out: list[bytes] = []
        for (number, name), channel in self._channels.items():
            if number != choice:
                continue
            try:
                text = channel.close()
            except Blocked as block:
                return b"".join(out) + self._stopped(choice, name, block)
            if text:
                out.append(self._writer.text(choice, name, text))
        try:
            calls = self._screened_calls(choice)
        except Blocked as block:
            return b"".join(out) + self._stopped(choice, "", block)
        out += calls
        out.append(self._writer.finish(choice, event.reason))
        self._end(choice)
        return b"".join(out)

    def _screened_calls(self, choice: int) -> list[bytes]:
        out: list[bytes] = []
        for (number, index), call in sorted(self._calls.items()):
            if number != choice:
                continue
            channel = Channel(self._setting, self._tally, sink=f"tool:{call.name}")
            arguments = channel.whole("".join(call.arguments))
            out.append(self._writer.tool(choice, index, id=call.id, name=call.name, arguments=arguments))
        return out

    def _stopped(self, choice: int, name: str, block: Blocked) -> bytes:
        """Send what stood before the finding, then the refusal; nothing more of this choice."""
        self._blocked = True
        self._end(choice)
        released = self._writer.text(choice, name, block.released) if name and block.released else b""
        return released + self._writer.blocked(choice, block.explanation)

    def _end(self, choice: int) -> None:
        self._closed.add(choice)
        self._open.discard(choice)
