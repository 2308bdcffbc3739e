"""Providers without sockets: each answers, fails or hangs as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from guard.domain.catalogue import Provider

__all__ = ["Answer", "Behaviour", "ScriptedUpstream", "Sent"]


@dataclass(slots=True)
class Answer:
    """Implements ``provider.UpstreamAnswer``.

    ``pieces`` come one at a time; then ``error`` is raised, or it ``hangs``, or it ends.
    """

    pieces: Sequence[bytes]
    error: BaseException | None = None
    hangs: bool = False
    closed: bool = False
    taken: int = 0

    async def read(self) -> bytes:
        """Return all pieces."""
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the pieces, each after a moment."""
        for piece in self.pieces:
            await asyncio.sleep(0)
            self.taken += 1
            yield piece
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a provider got."""

    provider: str
    path: str
    body: bytes
    authorization: str | None


Behaviour = Callable[[bytes], Answer] | BaseException
"""What a provider answers to a body, or fails with."""


@dataclass(slots=True)
class ScriptedUpstream:
    """Implements ``provider.Upstream``. ``behaviours`` by the provider's name."""

    journal: list[str]
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    thinking: asyncio.Event | None = None
    """If set, every provider thinks until then."""

    async def send(
        self, provider: Provider, *, path: str, body: bytes, caller_authorization: str | None
    ) -> Answer:
        """Take a body, answer as told."""
        self.journal.append(f"send {provider.name}")
        self.sent.append(
            Sent(provider=provider.name, path=path, body=body, authorization=caller_authorization)
        )
        await asyncio.sleep(0)
        if self.thinking is not None:
            await self.thinking.wait()
        behaviour = self.behaviours[provider.name]
        if isinstance(behaviour, BaseException):
            raise behaviour
        answer = behaviour(body)
        self.answers.append(answer)
        return answer
