"""Housekeeping: gaps of the dead only, one end for each, checkpoints by whoever holds the lock."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit import verify
from guard.audit.batch import OpenExchange
from guard.audit.checkpoint import opened
from guard.audit.housekeeping import Housekeeping, sign_checkpoint
from guard.audit.lease import Lease
from guard.audit.log import Log
from guard.audit.verify import VerificationFailed
from guard.domain.event import HoldUnit
from guard.errors import AuditUnavailable
from guard.keys.keyring import Signer
from tests.fakes.batches import Batches
from tests.fakes.log_store import MemoryLogStore
from tests.fakes.records import hold, intent, outcome, record
from tests.fakes.sealer import ClearSealer

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\x07"))
DAY = 86400


class House:
    """A store, a living worker ``me`` and its housekeeping."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryLogStore()
        self.batches = Batches(self.store)
        self.failures: list[BaseException] = []
        self.lease = Lease(folder, "me")
        self.log = Log(self.store, boot="me", sealer=ClearSealer(), failed=self.failures.append)
        self.log.start()
        self.now = 0.0
        self.keeping = Housekeeping(
            self.store, self.log, folder=folder, signer=SIGNER, clock=lambda: self.now
        )

    def round(self) -> None:
        """Do one round."""
        asyncio.run(self.keeping.round())

    def types(self, log: str = "default") -> list[str]:
        """Return the types of a log's entries."""
        return [leaf.type for leaf in self.store.leaves(log)]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "boots")
    yield made
    made.log.close()
    made.lease.release()


# Gaps --------------------------------------------------------------------------------------
def test_an_exchange_of_a_dead_process_becomes_a_gap_that_names_it(house: House) -> None:
    house.batches.commit(intent("e1", attempt=3), boot="dead")
    house.round()
    gap = verify.decode(list(house.store.leaves("default"))[-1].body, "gap")
    assert (gap["type"], gap["exchange"], gap["attempt"], gap["lost"], gap["boot"]) == (
        "exchange.gap",
        "e1",
        3,
        "dead",
        "me",
    )
    assert house.store.open_exchanges() == []


def test_exchanges_of_living_processes_are_left_alone(house: House) -> None:
    neighbour = Lease(house.folder, "neighbour")
    house.batches.commit(intent("mine"), boot="me")
    house.batches.commit(intent("theirs"), boot="neighbour")
    house.round()
    assert house.types() == ["exchange.intent"] * 2
    neighbour.release()
    house.round()
    assert house.types() == ["exchange.intent"] * 2 + ["exchange.gap"]


def test_a_gap_gives_back_what_the_exchange_held(house: House) -> None:
    holds = [hold(HoldUnit.CONCURRENT, cap=1), hold(HoldUnit.REQUESTS, cap=5)]
    house.batches.commit(intent("e1", holds=holds), boot="dead")
    house.round()
    assert house.store.usage() == {("key-1", "requests", 60, 960): 1}, "a request stays counted"


def test_each_of_many_gets_one_end_in_few_commits(house: House) -> None:
    house.batches.commit(*[intent(f"e{n}") for n in range(600)], boot="dead")
    house.store.commits.clear()
    house.round()
    house.round()
    ends = [leaf.exchange for leaf in house.store.leaves("default") if leaf.type == "exchange.gap"]
    assert sorted(ends) == sorted(f"e{n}" for n in range(600))
    assert len(house.store.commits) < 30


class SlowStore(MemoryLogStore):
    """A store in which others write just after the open exchanges were read."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[str] = []

    def open_exchanges(self) -> list[OpenExchange]:
        found = super().open_exchanges()
        for exchange in self.meanwhile:
            Batches(self, boot="leaving").commit(outcome(exchange))
        self.meanwhile.clear()
        return found


def test_a_process_that_ends_well_meanwhile_keeps_its_own_end(tmp_path: Path) -> None:
    """Its exchange was open when it was looked up, and its lease is gone when that is asked for."""
    store = SlowStore()
    Batches(store).commit(intent("e1"), boot="leaving")
    store.meanwhile = ["e1"]
    log = Log(store, boot="me", sealer=ClearSealer(), failed=lambda _: None)
    log.start()
    asyncio.run(Housekeeping(store, log, folder=tmp_path, signer=SIGNER).round())
    log.close()
    assert [leaf.type for leaf in store.leaves("default")] == ["exchange.intent", "exchange.outcome"]


def test_a_log_that_cannot_be_written_is_reported_and_the_gap_comes_later(house: House) -> None:
    house.batches.commit(intent("e1"), boot="dead")
    house.store.faults = [OSError("disk full")]
    with pytest.raises(AuditUnavailable):
        house.round()
    house.round()
    assert house.types() == ["exchange.intent", "exchange.gap"]


def test_leases_of_the_dead_are_swept_once_nothing_hangs_on_them(house: House) -> None:
    house.batches.commit(intent("e1"), boot="dead")
    for name in ("dead", "long-gone"):
        (house.folder / f"{name}.lock").touch()
    house.round()
    assert not (house.folder / "long-gone.lock").exists()
    house.round()
    assert sorted(path.name for path in house.folder.iterdir()) == ["housekeeping", "me.lock"]


# Checkpoints -------------------------------------------------------------------------------
def test_every_log_that_grew_gets_a_checkpoint_of_its_state(house: House) -> None:
    house.batches.commit(record("system.stopped", tenant="a"), record("system.stopped", tenant="b"))
    house.round()
    for log in ("a", "b"):
        checkpoint = opened(house.store.newest_checkpoint(log) or "", SIGNER.public)
        assert (checkpoint.origin, checkpoint.size) == (f"guard/{log}", 1)
        assert checkpoint.root == verify.root_of(house.store.head(log).frontier)
        known = house.log.checkpoint(log)
        assert known is not None
        assert (known.origin, known.size) == (f"guard/{log}", 1)


def test_a_log_that_did_not_grow_gets_none(house: House) -> None:
    house.batches.commit(record("system.stopped"))
    house.round()
    house.round()
    assert [size for size, _ in house.store.checkpoints("default")] == [1]
    house.batches.commit(record("system.stopped"))
    house.round()
    assert [size for size, _ in house.store.checkpoints("default")] == [1, 2]


def test_whoever_does_not_hold_the_lock_learns_and_does_nothing_else(house: House) -> None:
    house.batches.commit(intent("e1"), boot="dead")
    with (house.folder / "housekeeping").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        house.round()
        assert (house.types(), house.store.checkpoints("default")) == (["exchange.intent"], [])
        sign_checkpoint(house.store, "default", SIGNER)
        house.round()
        known = house.log.checkpoint("default")
        assert known is not None
        assert known.size == 1


def test_a_log_that_got_shorter_is_not_signed_again_and_the_others_are(house: House) -> None:
    house.batches.commit(*[record("system.stopped", tenant="a") for _ in range(3)])
    house.round()
    house.store.state.heads["a"] = replace(house.store.head("a"), size=2)
    house.batches.commit(record("system.stopped", tenant="b"))
    with pytest.raises(VerificationFailed, match="log a: 2 entries, but 3 were signed"):
        house.round()
    assert [size for size, _ in house.store.checkpoints("a")] == [3]
    assert [size for size, _ in house.store.checkpoints("b")] == [1]


# Counters ----------------------------------------------------------------------------------
def test_counters_are_forgotten_a_day_after_their_window(house: House) -> None:
    house.batches.commit(intent("e1", holds=[hold(cap=9)]), second=0)
    house.batches.commit(intent("e2", holds=[hold(cap=9)]), second=DAY)
    house.now = DAY
    house.round()
    assert len(house.store.usage()) == 2
    house.now = DAY + 3600
    house.round()
    assert house.store.usage() == {("key-1", "requests", 60, DAY): 1}


# Rounds ------------------------------------------------------------------------------------
def test_a_round_that_fails_is_reported_and_the_next_one_comes(house: House) -> None:
    house.batches.commit(intent("e1"), boot="dead")
    house.store.faults = [OSError("disk full")]
    reported: list[BaseException] = []
    rounds = 0

    async def sleep(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds > 2:
            raise asyncio.CancelledError

    async def scene() -> None:
        with pytest.raises(asyncio.CancelledError):
            await house.keeping.watch(seconds=1.0, sleep=sleep, failed=reported.append)

    asyncio.run(scene())
    assert [type(error) for error in reported] == [AuditUnavailable]
    assert house.types() == ["exchange.intent", "exchange.gap"]
