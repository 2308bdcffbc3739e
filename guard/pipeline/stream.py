"""A streamed answer: events in, channels held apart, the provider's own envelope out.

Arguments of a tool call are held whole and sent as one delta, and no call of a choice is
sent before all of them are screened. The outcome is durable before the last bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from guard.errors import GuardError, UpstreamError
from guard.pipeline.channel import Tally
from guard.pipeline.choices import Choices
from guard.upstream.dialect import (
    Counted,
    Done,
    Finish,
    Opened,
    StreamEvent,
    StreamReader,
    StreamWriter,
    TextDelta,
)
from guard.upstream.provider import UpstreamAnswer

__all__ = ["AnswerStream", "StreamEnd"]

KEEP_ALIVE_SECONDS = 10.0
DRAIN_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEnd:
    """How a stream ended; ``digest`` is the hex SHA-256 of what the caller got."""

    end: str
    tally: Tally
    size: int
    digest: str
    counted: Counted | None


class AnswerStream:
    """Runs one stream. ``ended`` makes its outcome durable; it succeeds at most once.

    Whoever takes ``chunks`` calls ``close`` afterwards, also if not one was taken.
    """

    def __init__(
        self,
        answer: UpstreamAnswer,
        reader: StreamReader,
        writer: StreamWriter,
        choices: Choices,
        ended: Callable[[StreamEnd], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._upstream = answer.chunks()
        self._reader = reader
        self._writer = writer
        self._choices = choices
        self._ended = ended
        self._pending: asyncio.Future[bytes] | None = None
        self._counted: Counted | None = None
        self._heard = self._done = self._recorded = False
        self._size = 0
        self._hash = hashlib.sha256()
        self._first = b""

    async def begin(self) -> None:
        """Wait for the first event, so that what fails at once can still be an error status."""
        try:
            async for data in self._upstream:
                self._first += await self._take(data)
                if self._heard:
                    return
            raise UpstreamError("the provider's stream is empty", code="upstream_invalid")
        except BaseException:
            self._answer.close()
            raise

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield what goes to the caller. Raises ``GuardError`` where the stream broke."""
        end = "aborted"
        clock = asyncio.get_running_loop().time
        try:
            if self._first:
                yield self._sent(self._first)
            spoken = clock()
            while not self._done:
                data = await self._next()
                if data is None:
                    break
                out = await self._take(data) if data else b""
                if not out and (not data or clock() - spoken >= KEEP_ALIVE_SECONDS):
                    out = self._writer.keep_alive()
                if out:
                    yield self._sent(out)
                    spoken = clock()
            last = self._sent(self._last())
            end = "blocked" if self._choices.blocked else "complete"
            await self._record(end)
            yield last
        except Exception:
            end = "failed"
            raise
        finally:
            await self.close(end)

    async def close(self, end: str = "aborted") -> None:
        """End what is still open, once: the provider's connection and the record."""
        try:
            await self._leave()
        finally:
            await self._record(end)

    async def _next(self) -> bytes | None:
        """Return the provider's next bytes, none after a silence, ``None`` at its end."""
        if self._pending is None:
            self._pending = asyncio.ensure_future(anext(self._upstream))
        await asyncio.wait((self._pending,), timeout=KEEP_ALIVE_SECONDS)
        if not self._pending.done():
            return b""
        pending, self._pending = self._pending, None
        try:
            return pending.result()
        except StopAsyncIteration:
            return None

    async def _leave(self) -> None:
        """Stop reading; whatever the provider still says, nobody will hear it."""
        pending, self._pending = self._pending, None
        try:
            if pending is not None:
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)
            elif self._done:
                await self._drain()
        finally:
            self._answer.close()

    async def _drain(self) -> None:
        """Read what little follows the end, so that the connection can be used again."""
        with contextlib.suppress(TimeoutError, GuardError):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for _ in self._upstream:
                    continue

    def _sent(self, data: bytes) -> bytes:
        self._size += len(data)
        self._hash.update(data)
        return data

    async def _record(self, end: str) -> None:
        """Make the outcome durable; a caller that leaves meanwhile does not stop that."""
        if self._recorded:
            return
        self._recorded = True
        said = StreamEnd(
            end=end,
            tally=self._choices.tally,
            size=self._size,
            digest=self._hash.hexdigest(),
            counted=self._counted,
        )
        try:
            await asyncio.shield(asyncio.ensure_future(self._ended(said)))
        except GuardError:
            self._recorded = False
            raise

    async def _take(self, data: bytes) -> bytes:
        out: list[bytes] = []
        for event in _joined(self._reader.feed(data)):
            self._heard = True
            if isinstance(event, Opened):
                self._writer.open(await self._choices.opened(event.members))
            elif isinstance(event, Counted):
                self._counted = event
            elif isinstance(event, Done):
                self._done = True
            elif isinstance(event, TextDelta):
                out.append(self._choices.text(event))
            elif isinstance(event, Finish):
                out.append(await self._choices.finish(event))
            else:
                self._choices.collect(event)
        return b"".join(out)

    def _last(self) -> bytes:
        """Return the end of a stream whose every choice has finished. Raises ``UpstreamError``."""
        if not self._done or not self._choices.finished:
            raise UpstreamError("the provider's stream broke off", code="upstream_broken")
        return self._writer.end(self._counted)


def _joined(events: Sequence[StreamEvent]) -> Iterator[StreamEvent]:
    """Put neighbouring pieces of one text together: what came at once is screened at once."""
    for channel, group in groupby(events, _channel):
        first, *others = group
        if channel is None or not isinstance(first, TextDelta) or not others:
            yield from (first, *others)
        else:
            rest = [event.text for event in others if isinstance(event, TextDelta)]
            yield replace(first, text="".join([first.text, *rest]))


def _channel(event: StreamEvent) -> tuple[int, str] | None:
    return (event.choice, event.name) if isinstance(event, TextDelta) else None
