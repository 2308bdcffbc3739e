"""Steps 9 to 12: screen the answer, restore, record the outcome, answer.

The outcome is durable before the last byte goes to the caller. A failed stream never
ends cleanly: the generator raises and the connection breaks. After the first byte no
other target is tried.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from guard.domain.decision import Holdback
from guard.domain.event import Denied, Receipt, Record
from guard.pipeline.channel import Blocked, Channel, ChannelSetting, Tally
from guard.pipeline.choices import Choices, denied_whole
from guard.pipeline.stream import AnswerStream, StreamEnd
from guard.pipeline.trail import AnswerNote, Trail
from guard.policy.engine import CompiledPolicy, Facts
from guard.protection.restore import RestoreContext
from guard.screening.engine import Screener
from guard.upstream.dialect import AnswerChannel, Dialect, Reading, Usage
from guard.upstream.provider import UpstreamAnswer

__all__ = ["AnswerContext", "Reply", "StreamReply", "WholeReply", "open_answer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeReply:
    """A whole answer; its outcome is durable already."""

    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReply:
    """A stream; its outcome becomes durable before its last chunk is handed out.

    Whoever has it calls ``close`` at the end, also if no chunk was taken: it ends the
    exchange as one that the caller left, if nothing else has ended it.
    """

    chunks: AsyncGenerator[bytes, None]
    close: Callable[[], Awaitable[None]]


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

    def note(self, end: str, tally: Tally, *, size: int, digest: str, usage: Usage | None) -> AnswerNote:
        """Return what the outcome says about the answer."""
        return AnswerNote(
            end=end,
            entities=dict(tally.entities),
            rules=tuple(sorted(tally.rules)),
            restored=tally.restored,
            withheld=tally.withheld,
            surrogates=self.surrogates,
            size=size,
            digest=digest,
            usage=usage,
        )


async def open_answer(
    context: AnswerContext,
    answer: UpstreamAnswer,
    *,
    record: Append,
    ended: Callable[[AnswerNote], None],
) -> Reply:
    """Return the reply. Raises ``UpstreamError`` for an answer that cannot be read.

    Raises ``PolicyDenied`` for one that is blocked as a whole.
    """
    if context.reading.stream:
        return await _stream(context, answer, record, ended)
    try:
        document = context.dialect.read_answer(await answer.read())
    except BaseException:
        answer.close()
        raise
    tally = Tally()
    texts, blocked = await _screened(context.setting, document.channels, tally)
    rendered = document.write(texts, blocked)
    note = context.note(
        "blocked" if blocked else "complete",
        tally,
        size=len(rendered),
        digest=hashlib.sha256(rendered).hexdigest(),
        usage=document.usage,
    )
    await record(context.trail.outcome(note))
    ended(note)
    return WholeReply(body=rendered)


async def _screened(
    setting: ChannelSetting, channels: Sequence[AnswerChannel], tally: Tally
) -> tuple[dict[int, str], dict[int, str]]:
    """Return the texts that changed, and what to say where a choice was stopped.

    Tools come last, as in a stream, and get nothing from a choice that was stopped.
    """
    texts: dict[int, str] = {}
    blocked: dict[int, str] = {}
    for index, channel in sorted(enumerate(channels), key=lambda one: one[1].tool):
        if channel.tool and channel.choice in blocked:
            continue
        guarded = Channel(setting, tally, sink=channel.sink, restores=channel.restores)
        try:
            text = await guarded.whole(channel.text, json_text=channel.json_text)
        except Blocked as block:
            if channel.choice < 0:
                raise denied_whole(block) from None
            blocked.setdefault(channel.choice, block.explanation)
            text = block.released
        if text != channel.text:
            texts[index] = text
    if setting.policy.holdback is Holdback.ANSWER:
        stopped = (index for index, channel in enumerate(channels) if channel.choice in blocked)
        texts.update(dict.fromkeys(stopped, ""))
    return texts, blocked


async def _stream(
    context: AnswerContext,
    answer: UpstreamAnswer,
    record: Append,
    ended: Callable[[AnswerNote], None],
) -> StreamReply:
    async def end(said: StreamEnd) -> None:
        usage = said.counted.usage if said.counted else None
        note = context.note(said.end, said.tally, size=said.size, digest=said.digest, usage=usage)
        await record(context.trail.outcome(note))
        ended(note)

    reader, writer = context.dialect.stream(context.reading)
    stream = AnswerStream(answer, reader, writer, Choices(context.setting, writer), end)
    await stream.begin()
    return StreamReply(chunks=stream.chunks(), close=stream.close)
