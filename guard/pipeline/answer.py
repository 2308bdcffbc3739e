"""Steps 9 to 12: screen the answer, restore, record the outcome, answer.

The outcome is durable before the last byte goes to the caller. A failed stream never
ends cleanly: the generator raises and the connection breaks. After the first byte no
other target is tried.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from guard.domain.event import Denied, Receipt, Record
from guard.pipeline.channel import Blocked, Channel, ChannelSetting, Tally
from guard.pipeline.stream import AnswerStream, StreamEnd
from guard.pipeline.trail import AnswerNote, Trail
from guard.policy.engine import CompiledPolicy, Facts
from guard.protection.restore import RestoreContext
from guard.screening.engine import Screener
from guard.upstream.dialect import AnswerChannel, Dialect, Reading
from guard.upstream.provider import UpstreamAnswer

__all__ = ["AnswerContext", "Reply", "StreamReply", "WholeReply", "open_answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeReply:
    """A whole answer; its outcome is durable already."""

    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReply:
    """A stream; its outcome becomes durable before its last chunk is handed out."""

    chunks: AsyncGenerator[bytes, None]


Reply = WholeReply | StreamReply
Append = Callable[[Record], Awaitable[Receipt | Denied]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerContext:
    """Everything that the answer's steps need of the request's."""

    dialect: Dialect
    reading: Reading
    policy: CompiledPolicy
    screener: Screener
    facts: Facts
    restore: RestoreContext
    trail: Trail
    surrogates: int
    report_only: bool

    @property
    def setting(self) -> ChannelSetting:
        """What the answer's channels share."""
        return ChannelSetting(
            screener=self.screener,
            policy=self.policy,
            facts=self.facts,
            restore=self.restore,
            report_only=self.report_only,
        )


async def open_answer(
    context: AnswerContext,
    answer: UpstreamAnswer,
    *,
    record: Append,
    ended: Callable[[AnswerNote], None],
) -> Reply:
    """Return the reply. Raises ``UpstreamError`` for an answer that cannot be read."""
    if context.reading.stream:
        return await _stream(context, answer, record, ended)
    try:
        document = context.dialect.read_answer(await answer.read())
    except BaseException:
        answer.close()
        raise
    tally = Tally()
    texts, blocked = _screened(context, document.channels, tally)
    rendered = document.write(texts, blocked)
    note = AnswerNote(
        end="blocked" if blocked else "complete",
        entities=dict(tally.entities),
        rules=tuple(sorted(tally.rules)),
        restored=tally.restored,
        withheld=tally.withheld,
        surrogates=context.surrogates,
        size=len(rendered),
        digest=hashlib.sha256(rendered).hexdigest(),
        usage=document.usage,
    )
    await record(context.trail.outcome(note))
    ended(note)
    return WholeReply(body=rendered)


def _screened(
    context: AnswerContext, channels: Sequence[AnswerChannel], tally: Tally
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the texts that changed, and what to say where a choice was stopped.

    A choice that is stopped gives nothing from its first blocking finding on; the other
    choices go on.
    """
    texts: dict[int, str] = {}
    blocked: dict[int, str] = {}
    for index, channel in enumerate(channels):
        if channel.choice in blocked:
            texts[index] = ""
            continue
        try:
            text = _whole(context, tally, channel)
        except Blocked as block:
            blocked[channel.choice] = block.explanation
            text = "" if channel.json_text else block.released
        if text != channel.text:
            texts[index] = text
    return texts, blocked


def _whole(context: AnswerContext, tally: Tally, channel: AnswerChannel) -> str:
    guarded = Channel(context.setting, tally, sink=channel.sink, restores=channel.restores)
    if channel.json_text:
        return guarded.whole(channel.text)
    return guarded.feed(channel.text) + guarded.close()


async def _stream(
    context: AnswerContext,
    answer: UpstreamAnswer,
    record: Append,
    ended: Callable[[AnswerNote], None],
) -> StreamReply:
    async def end(said: StreamEnd) -> None:
        note = AnswerNote(
            end=said.end,
            entities=dict(said.tally.entities),
            rules=tuple(sorted(said.tally.rules)),
            restored=said.tally.restored,
            withheld=said.tally.withheld,
            surrogates=context.surrogates,
            size=said.size,
            digest=said.digest,
            usage=said.usage,
        )
        await record(context.trail.outcome(note))
        ended(note)

    reader, writer = context.dialect.stream(context.reading)
    stream = AnswerStream(answer, reader, writer, context.setting, end)
    await stream.begin()
    return StreamReply(chunks=stream.chunks())
