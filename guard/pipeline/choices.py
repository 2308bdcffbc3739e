"""The choices of a streamed answer: each text channel and each tool call is held apart.

A choice that a rule stops ends with a refusal; the others go on (decision 6). A rule that
holds back a whole answer makes a choice wait until all of it is screened.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from guard.domain.decision import Holdback
from guard.errors import PolicyDenied, UpstreamError
from guard.pipeline.channel import Blocked, Channel, ChannelSetting, Tally
from guard.upstream.dialect import CallKind, Finish, StreamWriter, TextDelta, ToolCall, ToolDelta
from guard.upstream.json_text import JsonObject

__all__ = ["Choices", "denied_whole"]

HELD_LIMIT = 4 * 2**20
"""Code points of tool arguments that one answer may make us hold."""

CHANNELS = 4096
"""Text channels and tool calls that one answer may open."""


def denied_whole(block: Blocked) -> PolicyDenied:
    """Return the error for a block that stands outside of every choice: nothing is released."""
    return PolicyDenied(block.explanation, rules=(block.rule,))


@dataclass(slots=True, kw_only=True)
class _Call:
    """A tool call that is being collected."""

    kind: CallKind
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Choices:
    """Turns events into the caller's chunks."""

    def __init__(self, setting: ChannelSetting, writer: StreamWriter) -> None:
        self.tally = Tally()
        self.blocked = False
        self._setting = setting
        self._writer = writer
        self._whole = setting.policy.holdback is Holdback.ANSWER
        self._channels: dict[tuple[int, str], Channel] = {}
        self._calls: dict[tuple[int, CallKind, int], _Call] = {}
        self._open: set[int] = set()
        self._closed: set[int] = set()
        self._held = 0

    @property
    def finished(self) -> bool:
        """Whether there was a choice and every one has ended."""
        return bool(self._closed) and not self._open

    async def opened(self, members: JsonObject) -> JsonObject:
        """Screen what all chunks share. Raises ``PolicyDenied``."""
        return {
            name: await self._id(member) if isinstance(member, str) else member
            for name, member in members.items()
        }

    def text(self, event: TextDelta) -> bytes:
        """Take more of a text, return what may go."""
        if not self._begun(event.choice):
            return b""
        name = (event.choice, event.name)
        channel = self._channels.get(name)
        if channel is None:
            channel = Channel(self._setting, self.tally, sink="prose", restores=event.restores)
            self._channels[name] = channel
            self._bound()
        try:
            text = channel.feed(event.text)
        except Blocked as block:
            return self._stopped(event.choice, event.name, block)
        return self._writer.text(event.choice, event.name, text) if text else b""

    def collect(self, event: ToolDelta) -> None:
        """Take more of a tool call; nothing of it goes before the choice ends."""
        if not self._begun(event.choice):
            return
        call = self._calls.setdefault((event.choice, event.kind, event.index), _Call(kind=event.kind))
        call.id = call.id or event.id
        call.name = call.name or event.name
        call.arguments.append(event.arguments)
        self._held += len(event.arguments) + 1
        self._bound()

    async def finish(self, event: Finish) -> bytes:
        """Settle every channel of a choice, then say why it ended."""
        choice = event.choice
        if not self._begun(choice):
            return b""
        out: list[bytes] = []
        for (number, name), channel in self._channels.items():
            if number != choice:
                continue
            try:
                text = channel.close()
            except Blocked as block:
                return self._released(out) + self._stopped(choice, name, block)
            if text:
                out.append(self._writer.text(choice, name, text))
        try:
            calls = [await self._screened(call, key) for key, call in self._sorted(choice)]
        except Blocked as block:
            return self._released(out) + self._stopped(choice, "", block)
        out += [self._writer.tool(choice, call) for call in calls]
        self._end(choice)
        return b"".join(out) + self._writer.finish(choice, event.reason)

    def _released(self, out: list[bytes]) -> bytes:
        return b"" if self._whole else b"".join(out)

    def _sorted(self, choice: int) -> list[tuple[int, _Call]]:
        mine = [(index, call) for (number, _, index), call in self._calls.items() if number == choice]
        return sorted(mine, key=lambda one: one[0])

    async def _screened(self, call: _Call, index: int) -> ToolCall:
        channel = Channel(self._setting, self.tally, sink=f"tool:{call.name}")
        json_text = call.kind is not CallKind.CUSTOM
        arguments = await channel.whole("".join(call.arguments), json_text=json_text)
        return ToolCall(
            index=index,
            kind=call.kind,
            id=await self._plain(call.id),
            name=await self._plain(call.name),
            arguments=arguments,
        )

    async def _plain(self, text: str) -> str:
        """Screen an id or a name; nothing is restored there. Raises ``Blocked``."""
        return await Channel(self._setting, self.tally, sink="prose", restores=False).whole(text)

    async def _id(self, text: str) -> str:
        try:
            return await self._plain(text)
        except Blocked as block:
            raise denied_whole(block) from None

    def _begun(self, choice: int) -> bool:
        """Note that a choice speaks; ``False`` if it has ended already."""
        if choice in self._closed:
            return False
        self._open.add(choice)
        return True

    def _bound(self) -> None:
        if self._held > HELD_LIMIT or len(self._channels) + len(self._calls) > CHANNELS:
            raise UpstreamError("the provider's answer is too large", code="upstream_invalid")

    def _stopped(self, choice: int, name: str, block: Blocked) -> bytes:
        """Send what stood before the finding, then the refusal; nothing more of this choice."""
        self.blocked = True
        self._end(choice)
        released = self._writer.text(choice, name, block.released) if name and block.released else b""
        return released + self._writer.blocked(choice, block.explanation)

    def _end(self, choice: int) -> None:
        self._closed.add(choice)
        self._open.discard(choice)
