"""Callers that leave, at every moment there is: what was begun ends once, nothing stays open."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from guard.domain.principal import Limits
from guard.errors import AuditUnavailable, GuardError
from guard.pipeline.answer import StreamReply
from guard.pipeline.result import Result
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import EMAIL, House, chat, done, frame, streamed

TEXT = f"Write to {EMAIL} " + "and to nobody else, please, until tomorrow morning. " * 3


async def leaves(work: Coroutine[object, object, object], turns: int) -> bool:
    """Run ``work`` for some turns of the loop, then leave; return whether it was still running."""
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        await asyncio.sleep(0)
    if task.done():
        task.result()
        return False
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(5):
        await asyncio.sleep(0)  # what was being written is written
    return True


def settled(house: House, turns: int) -> None:
    """Check that an exchange has at most one end, and one if anything was begun."""
    kinds = house.recorder.types()
    ends = house.ends()
    where = f"left after {turns} turns: {house.journal}"
    assert len(ends) <= 1, where
    if "intent" in kinds:
        assert ends == ["outcome"], where
    if house.upstream.sent:
        assert kinds[0] == "intent", where
    assert all(answer.closed or answer.taken == len(answer.pieces) for answer in house.upstream.answers), (
        where
    )


@pytest.mark.parametrize("limits", [Limits(), Limits(requests_per_minute=5)], ids=["free", "held"])
def test_a_plain_exchange_may_be_left_at_every_turn(limits: Limits) -> None:
    async def scenario() -> tuple[int, set[str]]:
        ends: set[str] = set()
        for turns in range(200):
            house = House(limits=limits)
            running = await leaves(house.ask(chat(TEXT * 30)), turns)
            settled(house, turns)
            ends.update(str(record.fields.get("end", record.type)) for record in house.recorder.records)
            if not running:
                return turns, ends
        raise AssertionError("it never ended")

    turns, ends = asyncio.run(scenario())
    assert turns > 5
    assert {"exchange.refused", "aborted", "complete"} <= ends


async def _take(house: House) -> None:
    result = await house.ask(chat(TEXT, stream=True))
    assert isinstance(result.reply, StreamReply)
    try:
        async for _ in result.reply.chunks:
            await asyncio.sleep(0)
    finally:
        await result.reply.chunks.aclose()
        await result.reply.close()


def test_a_stream_may_be_left_at_every_turn() -> None:
    async def scenario() -> tuple[int, set[str]]:
        ends: set[str] = set()
        for turns in range(300):
            house = House()
            house.upstream.behaviours["a"] = lambda _: Answer(streamed(*TEXT.split(" ")))
            running = await leaves(_take(house), turns)
            settled(house, turns)
            ends.update(str(record.fields.get("end", record.type)) for record in house.recorder.records)
            if not running:
                return turns, ends
        raise AssertionError("it never ended")

    turns, ends = asyncio.run(scenario())
    assert turns > 20
    assert {"aborted", "complete"} <= ends


def test_a_hold_that_is_denied_while_the_caller_leaves_is_one_refusal() -> None:
    async def scenario() -> None:
        for turns in range(12):
            house = House(limits=Limits(requests_per_minute=1))
            house.recorder.denials = 1
            try:
                running = await leaves(house.ask(chat()), turns)
            except GuardError as error:
                raise AssertionError("errors are in the result") from error
            assert house.upstream.sent == [] and len(house.ends()) <= 1
            if not running:
                assert house.ends() == ["refused"]

    asyncio.run(scenario())


def test_an_intent_that_fails_while_the_caller_leaves_sends_nothing() -> None:
    async def scenario() -> None:
        for turns in range(1, 6):
            house = House()
            house.recorder.faults["exchange.intent"] = [AuditUnavailable("away")]
            await leaves(house.ask(chat()), turns)
            assert house.upstream.sent == []
            assert "intent" not in house.recorder.types() and len(house.ends()) <= 1

    asyncio.run(scenario())


def test_a_caller_that_leaves_while_the_log_is_away_is_told_to_the_observer() -> None:
    async def scenario() -> House:
        house = House()
        house.upstream.thinking = asyncio.Event()
        house.recorder.faults["exchange.outcome"] = [AuditUnavailable("away")]
        await leaves(house.ask(chat()), 20)
        return house

    house = asyncio.run(scenario())
    assert house.recorder.types() == ["intent"]
    ((task, error),) = house.observer.faults
    assert task == "exchange" and isinstance(error, AuditUnavailable)
    assert [summary.end for summary in house.observer.summaries] == ["aborted"]


def test_an_outcome_that_is_under_way_is_finished_when_the_caller_leaves() -> None:
    async def scenario() -> House:
        house = House()
        gate = house.recorder.gates["exchange.outcome"] = asyncio.Event()
        await leaves(house.ask(chat()), 40)
        gate.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return house

    house = asyncio.run(scenario())
    assert house.recorder.types() == ["intent", "outcome"]
    assert house.recorder.records[-1].fields["end"] == "complete"


async def _opened(house: House) -> StreamReply:
    result: Result = await house.ask(chat("hello", stream=True))
    assert isinstance(result.reply, StreamReply)
    return result.reply


def test_a_stream_of_which_no_chunk_was_taken_ends_when_it_is_closed() -> None:
    async def scenario() -> House:
        house = House()
        reply = await _opened(house)
        await reply.chunks.aclose()
        await reply.close()
        await reply.close()
        return house

    house = asyncio.run(scenario())
    assert house.recorder.types() == ["intent", "outcome"]
    assert house.recorder.records[-1].fields["end"] == "aborted"
    assert house.upstream.answers[0].closed


def test_a_stream_that_is_left_while_the_provider_is_silent_is_closed_there_too() -> None:
    async def scenario() -> House:
        house = House()
        house.upstream.behaviours["a"] = lambda _: Answer([frame({"content": "hello "})], hangs=True)
        reply = await _opened(house)
        await anext(reply.chunks)
        waiting = asyncio.ensure_future(anext(reply.chunks))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await reply.close()
        return house

    house = asyncio.run(scenario())
    assert house.upstream.answers[0].closed
    assert [record.fields.get("end") for record in house.recorder.of("exchange.outcome")] == ["aborted"]


def test_what_was_restored_before_the_caller_left_is_counted() -> None:
    async def scenario() -> House:
        house = House()
        house.upstream.behaviours["a"] = lambda body: Answer(
            [frame({"content": body.decode().split('content":"')[-1].split('"')[0] + " and more "})],
            hangs=True,
        )
        reply = (await house.ask(chat(f"{EMAIL} ", stream=True))).reply
        assert isinstance(reply, StreamReply)
        assert EMAIL.encode() in await anext(reply.chunks)
        await reply.chunks.aclose()
        await reply.close()
        return house

    house = asyncio.run(scenario())
    assert house.recorder.records[-1].fields["restored"] == 1


def test_a_stream_that_ended_is_not_ended_again() -> None:
    async def scenario() -> House:
        house = House()
        result = await house.ask(chat("hello", stream=True))
        await done(result)
        assert isinstance(result.reply, StreamReply)
        await result.reply.close()
        return house

    house = asyncio.run(scenario())
    assert house.ends() == ["outcome"] and len(house.observer.summaries) == 1
