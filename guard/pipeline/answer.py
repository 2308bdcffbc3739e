"""Steps 9 to 12: screen the answer, restore, record the outcome, answer.

The outcome is durable before the last byte goes to the caller. A failed stream never
ends cleanly: the generator raises and the connection breaks. After the first byte no
other target is tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from guard.domain.event import Denied, Receipt, Record
from guard.errors import GuardError
from guard.pipeline.channel import Blocked, Channel, ChannelSetting, Tally
from guard.pipeline.trail import AnswerNote, Trail
from guard.policy.engine import CompiledPolicy, Facts
from guard.protection.restore import RestoreContext
from guard.screening.engine import Screener
from guard.upstream.dialect import AnswerChannel, Dialect, Reading
from guard.upstream.provider import UpstreamAnswer

__all__ = ["AnswerContext", "Reply", "StreamReply", "WholeReply", "open_answer"]

KEEP_ALIVE_SECONDS = 10.0


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
        return StreamReply(chunks=_Stream(context, answer, record, ended).chunks())
    body = await answer.read()
    document = context.dialect.read_answer(body)
    tally = Tally()
    changes: dict[int, str] = {}
    blocked: Blocked | None = None
    for index, channel in enumerate(document.channels):
        try:
            changes[index] = _whole(context, tally, channel)
        except Blocked as block:
            blocked = blocked or block
            changes[index] = block.released
            break
    explanation = blocked.explanation if blocked else None
    rendered = document.write(changes, blocked=explanation)
    note = _note(
        context, tally, end="blocked" if blocked else "complete", body=rendered, usage=document.usage
    )
    await record(context.trail.outcome(note))
    ended(note)
    return WholeReply(body=rendered)


def _whole(context: AnswerContext, tally: Tally, channel: AnswerChannel) -> str:
    guarded = Channel(context.setting, tally, sink=channel.sink, restores=channel.restores)
    if channel.json_text:
        return guarded.whole(channel.text)
    return guarded.feed(channel.text) + guarded.close()


def _note(
    context: AnswerContext, tally: Tally, *, end: str, body: bytes | None, usage: Mapping[str, int] | None
) -> AnswerNote:
    return AnswerNote(
        end=end,
        entities=dict(tally.entities),
        rules=tuple(sorted(tally.rules)),
        restored=tally.restored,
        withheld=tally.withheld,
        surrogates=context.surrogates,
        size=len(body or b""),
        digest=hashlib.sha256(body).hexdigest() if body else None,
        usage=usage,
    )
