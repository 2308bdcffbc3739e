"""The order in which an exchange does things, seen by its log, its provider and its caller."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from benchmarks.gateway.inside import Inside, inside
from guard.domain.event import CheckpointSummary, Receipt, Record
from guard.pipeline.answer import StreamReply

EMAIL = "maria.gomez@kestrel-labs.com"
PLAIN = {
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}]
}
CHUNK = {"choices": [{"index": 0, "finish_reason": "stop", "delta": {"content": "yes"}}]}


class Notes:
    """Implements ``domain.event.Recorder``: a record is durable a moment after it was handed in."""

    def __init__(self) -> None:
        self.events: list[str] = []

    async def append(self, record: Record) -> Receipt:
        """Note the type."""
        await asyncio.sleep(0)
        self.events.append(record.type)
        return Receipt(tenant=record.tenant, index=len(self.events), time=0, id="")

    def checkpoint(self, tenant: str) -> CheckpointSummary | None:
        """Know of none."""
        return None


def body(*, stream: bool) -> bytes:
    """Return a request with a value in it."""
    messages = [{"role": "user", "content": f"Write to {EMAIL}"}]
    return json.dumps({"model": "bench-x", "stream": stream, "messages": messages}).encode()


async def run(gate: Inside, notes: Notes, *, stream: bool) -> None:
    """Run one exchange and note what reaches the provider and the caller."""

    def told(received: bytes) -> Sequence[bytes]:
        assert EMAIL.encode() not in received
        notes.events.append("sent")
        answer = json.dumps(CHUNK if stream else PLAIN).encode()
        return [b"data: " + answer + b"\n\n", b"data: [DONE]\n\n"] if stream else [answer]

    result = await gate.exchange(body(stream=stream), told)
    assert result.error is None
    if isinstance(result.reply, StreamReply):
        async for chunk in result.reply.chunks:
            notes.events.append("last byte" if b"[DONE]" in chunk else "chunk")
        await result.reply.close()
    else:
        notes.events.append("last byte")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
def test_a_record_before_the_body_leaves_and_one_before_the_last_byte(stream: bool) -> None:
    notes = Notes()
    with inside(recorder=notes) as gate:
        asyncio.run(run(gate, notes, stream=stream))
    seen = [event for event in notes.events if event != "chunk"]
    assert seen == ["exchange.intent", "sent", "exchange.outcome", "last byte"]


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    notes = Notes()
    with inside(recorder=notes) as gate:
        asyncio.run(run(gate, notes, stream=False))
    assert capfd.readouterr() == ("", "")
