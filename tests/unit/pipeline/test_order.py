"""The order law: no byte leaves before its intent is durable, none comes back before the outcome is."""

from __future__ import annotations

import asyncio
import hashlib
import json

from guard.pipeline.answer import StreamReply, WholeReply
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import DONE, EMAIL, House, chat, done, frame, streamed


def test_a_plain_exchange_is_recorded_before_it_leaves_and_before_it_is_answered() -> None:
    house = House()
    result = asyncio.run(house.ask(chat()))
    assert isinstance(result.reply, WholeReply)
    assert house.journal == [
        "append exchange.intent",
        "durable exchange.intent",
        "send a",
        "append exchange.outcome",
        "durable exchange.outcome",
    ]


def test_nothing_leaves_while_the_intent_is_not_durable() -> None:
    house = House()

    async def scenario() -> None:
        gate = house.recorder.gates["exchange.intent"] = asyncio.Event()
        asking = asyncio.ensure_future(house.ask(chat()))
        for _ in range(50):
            await asyncio.sleep(0)
        assert house.upstream.sent == [] and not asking.done()
        gate.set()
        assert (await asking).error is None
        assert len(house.upstream.sent) == 1

    asyncio.run(scenario())


def test_nothing_is_answered_while_the_outcome_is_not_durable() -> None:
    house = House()

    async def scenario() -> None:
        gate = house.recorder.gates["exchange.outcome"] = asyncio.Event()
        asking = asyncio.ensure_future(house.ask(chat()))
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(house.upstream.sent) == 1 and not asking.done()
        gate.set()
        assert isinstance((await asking).reply, WholeReply)

    asyncio.run(scenario())


def test_the_end_of_a_stream_waits_for_its_outcome() -> None:
    house = House()

    async def scenario() -> None:
        gate = house.recorder.gates["exchange.outcome"] = asyncio.Event()
        reply = (await house.ask(chat("one two", stream=True))).reply
        assert isinstance(reply, StreamReply)
        got: list[bytes] = []

        async def take() -> None:
            async for chunk in reply.chunks:
                got.append(chunk)

        taking = asyncio.ensure_future(take())
        for _ in range(50):
            await asyncio.sleep(0)
        assert b"two" in b"".join(got) and b"[DONE]" not in b"".join(got)
        gate.set()
        await taking
        assert b"".join(got).endswith(DONE)
        await reply.close()

    asyncio.run(scenario())
    assert house.recorder.types() == ["intent", "outcome"]


def test_a_streams_first_chunk_does_not_wait_for_its_end() -> None:
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer([frame({"content": "hello "})], hangs=True)

    async def scenario() -> None:
        reply = (await house.ask(chat(stream=True))).reply
        assert isinstance(reply, StreamReply)
        assert b"hello" in await anext(reply.chunks)
        await reply.chunks.aclose()
        await reply.close()

    asyncio.run(scenario())


def test_the_intent_commits_to_the_bytes_that_left() -> None:
    house = House()
    asyncio.run(house.ask(chat(f"Write to {EMAIL}")))
    (intent,) = house.recorder.of("exchange.intent")
    (sent,) = house.upstream.sent
    assert EMAIL.encode() not in sent.body
    assert intent.sealed["body"] == hashlib.sha256(sent.body).hexdigest()


def test_the_outcome_commits_to_the_bytes_that_the_caller_got() -> None:
    for stream in (False, True):
        house = House()
        house.upstream.behaviours["a"] = lambda body: Answer(
            streamed("x ", "y") if json.loads(body).get("stream") else [b'{"choices":[]}']
        )
        got = asyncio.run(_got(house, stream=stream))
        (outcome,) = house.recorder.of("exchange.outcome")
        assert outcome.sealed["body"] == hashlib.sha256(got).hexdigest()


async def _got(house: House, *, stream: bool) -> bytes:
    return await done(await house.ask(chat(stream=stream)))


def test_what_the_records_of_an_exchange_say() -> None:
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer(streamed("hello", usage=True))
    asyncio.run(_got(house, stream=True))
    intent, outcome = house.recorder.records
    assert (intent.tenant, intent.opens, outcome.closes) == ("acme", outcome.closes, intent.opens)
    shared = {"application": "crm", "model": "m", "policy": "sha256:s", "purpose": "support"}
    for record in (intent, outcome):
        assert shared.items() <= record.fields.items()
        assert record.fields["route"] == "openai.chat" and record.sealed["key"] == "key-1"
    assert (intent.fields["attempt"], intent.fields["decision"], intent.fields["lineage"]) == (
        1,
        "allow",
        ["dataset-1"],
    )
    assert (intent.fields["provider"], intent.fields["region"]) == ("a", "us")
    assert (outcome.fields["attempt"], outcome.fields["end"]) == (1, "complete")
    assert outcome.fields["usage"] == {"prompt": 3, "completion": 4}
    assert [settled.amount for settled in outcome.settlements] == [7]


def test_what_the_headers_are_made_of() -> None:
    house = House()
    result = asyncio.run(house.ask(chat(f"{EMAIL} and again {EMAIL}")))
    assert result.stamp.entities == {"EMAIL_ADDRESS": 2}
    assert (result.stamp.policy, result.stamp.record) == ("sha256:s", 0)
    assert result.stamp.guard_seconds > 0 and not result.stamp.reporting
    (summary,) = house.observer.summaries
    assert (summary.end, summary.code, summary.attempts, summary.restored) == ("complete", "", 1, 2)
    assert summary.total_seconds >= summary.guard_seconds
