"""Several processes on one log: nothing lost, nothing twice, limits exact, however they end."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from guard.audit.batch import Counter as Used
from guard.audit.housekeeping import Housekeeping
from guard.audit.lease import Lease
from guard.audit.log import Log
from guard.storage.log import SqlLogStore
from tests.fakes.exports import SIGNER
from tests.fakes.sealer import ClearSealer
from tests.integration.storage.processes import Writer, check, start_writers

ENDS = ("exchange.outcome", "exchange.gap")


def usage(store: SqlLogStore) -> dict[str, int]:
    """Return what the one key has used, by unit."""
    with store.transaction() as transaction:
        counters = [Used("key-1", "requests", 10**10, 0), Used("key-1", "concurrent", 0, 0)]
        return {counter.unit: amount for counter, amount in transaction.counters(counters).items()}


def keep_house(folder: Path, store: SqlLogStore) -> None:
    """Do one round of housekeeping as a process that lives."""
    lease = Lease(folder / "boots", "keeper")
    log = Log(store, boot="keeper", sealer=ClearSealer(), failed=lambda _: None)
    log.start()
    asyncio.run(Housekeeping(store, log, folder=folder / "boots", signer=SIGNER).round())
    log.close()
    lease.release()


def test_four_processes_append_at_once(tmp_path: Path, store: SqlLogStore) -> None:
    said = [writer.result() for writer in start_writers(tmp_path, 4, 150)]
    assert all(item.done and len(item.ended) == 150 for item in said)
    report = check(tmp_path, store, said)
    assert report.problems == []
    assert report.entries == 4 * 150 * 2
    assert store.open_exchanges() == []


def test_limits_are_exact_across_processes(tmp_path: Path, store: SqlLogStore) -> None:
    """37 requests in all, whoever asks; and never more than 37 at a time."""
    said = [writer.result() for writer in start_writers(tmp_path, 4, 40, "--cap", "37")]
    assert sum(len(item.opened) for item in said) == 37
    assert sum(len(item.denied) for item in said) == 4 * 40 - 37
    assert check(tmp_path, store, said).problems == []
    assert usage(store) == {"requests": 37, "concurrent": 0}


@pytest.mark.parametrize("seed", [11, random.SystemRandom().randrange(2**32)], ids=["fixed", "random"])
def test_processes_that_are_killed_lose_nothing_that_was_acknowledged(
    tmp_path: Path, store: SqlLogStore, seed: int
) -> None:
    sys.stdout.write(f"seed {seed}\n")
    draw, said, killed = random.Random(seed), [], 0
    for round_number in range(3):
        writers = [Writer(tmp_path, f"r{round_number}w{n}", 100_000, "--cap", "1000000") for n in range(2)]
        for writer in writers:
            writer.go()
        before = [writer.read_until(draw.randrange(5, 60)) for writer in writers]
        for writer, lines in zip(writers, before, strict=True):
            writer.kill()
            said.append(writer.result(lines))
        killed += sum(not item.done for item in said[-2:])
    assert killed == 6
    assert all(item.opened for item in said)
    report = check(tmp_path, store, said)
    assert all("of a dead process has no end yet" in problem for problem in report.problems)
    still_open = len(store.open_exchanges())
    assert usage(store)["concurrent"] == still_open

    keep_house(tmp_path, store)
    assert check(tmp_path, store, said).problems == []
    assert usage(store)["concurrent"] == 0
    leaves = list(store.leaves("default"))
    ends = Counter(leaf.exchange for leaf in leaves if leaf.type in ENDS)
    intents = {leaf.exchange for leaf in leaves if leaf.type == "exchange.intent"}
    assert set(ends) == intents
    assert set(ends.values()) == {1}
    assert sum(leaf.type == "exchange.gap" for leaf in leaves) == still_open
    assert usage(store)["requests"] == len(intents)


def test_a_disk_that_is_full_refuses_and_acknowledges_nothing_more(
    tmp_path: Path, store: SqlLogStore
) -> None:
    """The limit on the size of files stands for the disk; the log recovers without it."""
    limit = (tmp_path / "log.db").stat().st_size + 150_000
    (full,) = start_writers(tmp_path, 1, 600, "--file-limit", str(limit))
    said = full.result()
    assert said.done, "the process goes on"
    assert said.failed, "it was refused"
    assert said.opened, "but not from the start"
    assert check(tmp_path, store, [said]).problems == [
        f"exchange {exchange.exchange} of a dead process has no end yet; "
        "a running worker will record it as a gap"
        for exchange in store.open_exchanges()
    ]
    acknowledged = said.opened.keys() | said.ended.keys()
    assert {leaf.exchange for leaf in store.leaves("default")} == acknowledged
    (recovered,) = start_writers(tmp_path, 1, 50)
    again = recovered.result()
    assert len(again.ended) == 50
    keep_house(tmp_path, store)
    assert check(tmp_path, store, [said, again]).problems == []
