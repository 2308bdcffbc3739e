"""The writer: group commit, failure for all of a batch, and nobody left waiting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterator
from dataclasses import replace

import pytest

from guard.audit.log import BATCH, Log, LogStore
from guard.domain.event import CheckpointSummary, Denied, Receipt, Record
from guard.errors import AuditUnavailable, Conflict
from tests.fakes.gated_store import GatedStore
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.records import hold, intent, outcome, record
from tests.fakes.sealer import ClearSealer


class Logs:
    """Starts logs and closes them. ``failures``: what they reported."""

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.started: list[Log] = []

    def start(self, store: LogStore) -> Log:
        log = Log(store, boot="boot-1", sealer=ClearSealer(), failed=self.failures.append)
        log.start()
        self.started.append(log)
        return log


@pytest.fixture
def logs() -> Iterator[Logs]:
    made = Logs()
    yield made
    for log in made.started:
        log.close()


@pytest.fixture
def store() -> MemoryLogStore:
    return MemoryLogStore()


async def settled(*waiting: Awaitable[object]) -> list[object]:
    """Wait for all; errors are results."""
    return list(await asyncio.gather(*waiting, return_exceptions=True))


def test_a_receipt_names_an_entry_that_is_in_the_store(store: MemoryLogStore, logs: Logs) -> None:
    log = logs.start(store)
    receipt = asyncio.run(log.append(intent("e1")))
    assert isinstance(receipt, Receipt)
    stored = [(leaf.index, leaf.time, leaf.id) for leaf in store.leaves("default")]
    assert stored == [(receipt.index, receipt.time, receipt.id)]


def test_two_records_of_the_same_contents_share_neither_id_nor_commitment(
    store: MemoryLogStore, logs: Logs
) -> None:
    log = logs.start(store)
    asyncio.run(settled(log.append(intent("e1")), log.append(intent("e1"))))
    one, other = (json.loads(leaf.body) for leaf in store.leaves("default"))
    assert one["id"] != other["id"]
    assert not set(one["sealed"].values()) & set(other["sealed"].values())


def test_what_queues_during_a_commit_is_the_next_batch(store: MemoryLogStore, logs: Logs) -> None:
    gated = GatedStore(store)
    log = logs.start(gated)

    async def scene() -> list[object]:
        first = asyncio.ensure_future(log.append(record("system.stopped")))
        await asyncio.to_thread(gated.busy.wait)
        rest = [asyncio.ensure_future(log.append(record("system.stopped"))) for _ in range(40)]
        await asyncio.sleep(0)
        gated.gate.set()
        return await settled(first, *rest)

    results = asyncio.run(scene())
    assert all(isinstance(result, Receipt) for result in results)
    assert store.commits == [1, 40]


def test_a_batch_is_bounded(store: MemoryLogStore, logs: Logs) -> None:
    gated = GatedStore(store)
    log = logs.start(gated)

    async def scene() -> None:
        waiting = [asyncio.ensure_future(log.append(record("system.stopped"))) for _ in range(BATCH * 2)]
        await asyncio.sleep(0)
        await asyncio.to_thread(gated.busy.wait)
        gated.gate.set()
        await asyncio.gather(*waiting)

    asyncio.run(scene())
    assert max(store.commits) <= BATCH
    assert sum(store.commits) == BATCH * 2


def test_a_batch_that_fails_fails_for_all_of_it_and_leaves_nothing(store: MemoryLogStore, logs: Logs) -> None:
    gated = GatedStore(store)
    log = logs.start(gated)
    fault = OSError("disk full")

    async def scene() -> list[object]:
        first = asyncio.ensure_future(log.append(record("system.stopped")))
        await asyncio.to_thread(gated.busy.wait)
        doomed = [asyncio.ensure_future(log.append(intent(f"e{n}"))) for n in range(20)]
        await asyncio.sleep(0)
        store.faults = [fault, OSError("still full")]
        gated.gate.set()
        return await settled(first, *doomed)

    results = asyncio.run(scene())
    assert [type(result) for result in results] == [AuditUnavailable] * 21
    assert (list(store.leaves("default")), store.open_exchanges(), store.state.rows) == ([], [], {})
    assert logs.failures[0] is fault
    assert len(logs.failures) == 2
    assert not log.healthy


def test_the_log_recovers_with_the_first_batch_that_succeeds(store: MemoryLogStore, logs: Logs) -> None:
    log = logs.start(store)
    store.faults = [OSError("disk full")]
    with pytest.raises(AuditUnavailable, match="guard doctor"):
        asyncio.run(log.append(intent("e1")))
    assert not log.healthy
    receipt = asyncio.run(log.append(intent("e2")))
    assert isinstance(receipt, Receipt)
    assert (receipt.index, log.healthy) == (0, True)


def test_the_callers_error_says_nothing_about_the_cause(store: MemoryLogStore, logs: Logs) -> None:
    log = logs.start(store)
    store.faults = [OSError("/secret/path of Maria")]
    with pytest.raises(AuditUnavailable) as refused:
        asyncio.run(log.append(intent("e1")))
    assert "Maria" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_denials_and_conflicts_reach_only_their_own_caller(store: MemoryLogStore, logs: Logs) -> None:
    log = logs.start(store)

    async def scene() -> list[object]:
        return await settled(
            log.append(intent("e1", holds=[hold(cap=0)])),
            log.append(outcome("never opened")),
            log.append(record("system.stopped")),
        )

    denied, conflict, receipt = asyncio.run(scene())
    assert isinstance(denied, Denied)
    assert isinstance(conflict, Conflict)
    assert isinstance(receipt, Receipt)
    assert log.healthy


@pytest.mark.parametrize(
    "fault",
    [
        replace(intent("e1", holds=[hold(cap=1)]), denied=None),
        replace(intent("e1", holds=[hold(cap=1)]), denied=record("exchange.refused", tenant="other")),
        replace(intent("e1"), fields={}),
    ],
    ids=["holds without a denied form", "a denied form in another log", "fields are missing"],
)
def test_a_fault_of_the_program_is_told_before_it_can_spoil_a_batch(
    store: MemoryLogStore, logs: Logs, fault: Record
) -> None:
    log = logs.start(store)
    with pytest.raises(RuntimeError):
        asyncio.run(log.append(fault))
    assert log.healthy
    assert isinstance(asyncio.run(log.append(intent("e1"))), Receipt)


def test_a_queue_that_is_full_refuses_at_once(
    store: MemoryLogStore, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.audit.log.QUEUE", 50)
    gated = GatedStore(store)
    log = logs.start(gated)
    small = record("system.stopped")

    async def scene() -> list[object]:
        taken = asyncio.ensure_future(log.append(small))
        await asyncio.to_thread(gated.busy.wait)
        waiting = [asyncio.ensure_future(log.append(small)) for _ in range(50)]
        await asyncio.sleep(0)
        with pytest.raises(AuditUnavailable):
            await log.append(small)
        gated.gate.set()
        return await settled(taken, *waiting)

    assert all(isinstance(result, Receipt) for result in asyncio.run(scene()))


def test_closing_writes_what_is_queued_and_takes_no_more(store: MemoryLogStore) -> None:
    gated = GatedStore(store)
    log = Logs().start(gated)

    async def scene() -> list[object]:
        waiting = [asyncio.ensure_future(log.append(record("system.stopped"))) for _ in range(10)]
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(asyncio.to_thread(log.close))
        gated.gate.set()
        await closing
        with pytest.raises(AuditUnavailable):
            await log.append(record("system.stopped"))
        return await settled(*waiting)

    assert all(isinstance(result, Receipt) for result in asyncio.run(scene()))
    assert store.head("default").size == 10


def test_a_log_that_was_not_started_refuses_instead_of_waiting(store: MemoryLogStore) -> None:
    log = Log(store, boot="boot-1", sealer=ClearSealer(), failed=lambda _: None)
    with pytest.raises(AuditUnavailable):
        asyncio.run(log.append(record("system.stopped")))
    log.close()


def test_a_caller_that_leaves_does_not_take_its_record_along(store: MemoryLogStore, logs: Logs) -> None:
    gated = GatedStore(store)
    log = logs.start(gated)

    async def scene() -> object:
        left = asyncio.ensure_future(log.append(intent("left")))
        stayed = asyncio.ensure_future(log.append(intent("stayed")))
        await asyncio.sleep(0)
        left.cancel()
        gated.gate.set()
        return await stayed

    assert isinstance(asyncio.run(scene()), Receipt)
    assert {leaf.exchange for leaf in store.leaves("default")} == {"left", "stayed"}


def test_the_writer_outlives_a_loop_that_was_closed_meanwhile(store: MemoryLogStore, logs: Logs) -> None:
    gated = GatedStore(store)
    log = logs.start(gated)
    loop = asyncio.new_event_loop()
    abandoned = loop.create_task(log.append(intent("e1")))
    loop.run_until_complete(asyncio.sleep(0))
    abandoned.cancel()
    loop.run_until_complete(asyncio.gather(abandoned, return_exceptions=True))
    loop.close()
    gated.gate.set()
    assert isinstance(asyncio.run(log.append(intent("e2"))), Receipt)
    assert store.head("default").size == 2


def test_the_newest_checkpoint_is_the_one_that_was_learnt_last(store: MemoryLogStore, logs: Logs) -> None:
    log = logs.start(store)
    assert log.checkpoint("default") is None
    newest = CheckpointSummary(origin="guard/default", size=3, root="AAAA")
    log.learn("default", newest)
    assert log.checkpoint("default") == newest
    assert log.checkpoint("other") is None
