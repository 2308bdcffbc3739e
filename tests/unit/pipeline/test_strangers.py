"""Failed authentications: one leaf a minute and reason, however many there were."""

from __future__ import annotations

import asyncio

import pytest

from guard.domain.event import Record
from guard.errors import AuditUnavailable
from guard.pipeline.strangers import ADDRESSES, Strangers
from tests.fakes.recorder_scripted import ScriptedRecorder


def flushed(strangers: Strangers) -> list[Record]:
    """Return what strangers leave in the log now."""
    recorder = ScriptedRecorder([])
    asyncio.run(strangers.flush(recorder))
    return recorder.records


def test_failures_are_counted_by_reason_with_a_few_sealed_addresses() -> None:
    strangers = Strangers()
    for number in range(1000):
        strangers.note("invalid_api_key", f"192.0.2.{number % 250}")
    strangers.note("missing_api_key", "192.0.2.1")
    first, second = flushed(strangers)
    assert first.fields == {"count": 1000, "reason": "invalid_api_key"}
    addresses = first.sealed["address"]
    assert isinstance(addresses, list) and len(addresses) == ADDRESSES
    assert second.fields == {"count": 1, "reason": "missing_api_key"}
    assert {first.tenant, second.tenant} == {"system"}
    assert flushed(strangers) == []


def test_an_address_is_named_once() -> None:
    strangers = Strangers()
    for _ in range(3):
        strangers.note("r", "192.0.2.1")
    (record,) = flushed(strangers)
    assert record.sealed["address"] == ["192.0.2.1"]


def test_what_could_not_be_recorded_is_not_lost() -> None:
    strangers, recorder = Strangers(), ScriptedRecorder([])
    for reason in ("a", "b"):
        strangers.note(reason, "192.0.2.1")
    recorder.faults["auth.failed"] = [AuditUnavailable("away")]
    with pytest.raises(AuditUnavailable):
        asyncio.run(strangers.flush(recorder))
    strangers.note("a", "192.0.2.2")
    asyncio.run(strangers.flush(recorder))
    assert {str(r.fields["reason"]): r.fields["count"] for r in recorder.records} == {"a": 2, "b": 1}


def test_counting_goes_on_while_the_log_is_away() -> None:
    strangers, recorder = Strangers(), ScriptedRecorder([])
    faults: list[BaseException] = []
    recorder.faults["auth.failed"] = [AuditUnavailable("away")]
    rounds = [0]

    async def sleep(_: float) -> None:
        rounds[0] += 1
        strangers.note("r", "192.0.2.1")
        if rounds[0] == 3:
            raise asyncio.CancelledError

    async def scenario() -> None:
        with pytest.raises(asyncio.CancelledError):
            await strangers.watch(recorder, seconds=60, sleep=sleep, failed=faults.append)

    asyncio.run(scenario())
    assert [type(fault) for fault in faults] == [AuditUnavailable]
    assert [record.fields["count"] for record in recorder.records] == [2]
