"""A process that appends to a log until it is done or killed, and says what was acknowledged.

    python -m tests.integration.storage.writer DIR NAME EXCHANGES [--cap N] [--file-limit BYTES]

Reads a line from standard input before it starts, so that several start together. Prints
``opened EXCHANGE INDEX``, ``ended EXCHANGE INDEX``, ``denied EXCHANGE`` and ``failed`` once
each is known, then ``done``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
from pathlib import Path

from guard.audit.lease import Lease
from guard.audit.log import Log
from guard.domain.event import Denied, HoldUnit
from guard.errors import AuditUnavailable
from guard.storage.database import open_database, sqlite_url
from guard.storage.log import SqlLogStore
from tests.fakes.records import hold, intent, outcome
from tests.fakes.sealer import ClearSealer

TOGETHER = 16


def say(*words: object) -> None:
    """Print a line in one write, so that a kill leaves no half of it."""
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())


async def exchange(log: Log, name: str, cap: int | None) -> None:
    """Open and end one exchange, under both kinds of limit if there is a cap."""
    limits = (
        [hold(HoldUnit.REQUESTS, cap=cap, window=10**10), hold(HoldUnit.CONCURRENT, cap=cap)] if cap else []
    )
    try:
        opened = await log.append(intent(name, holds=limits))
        if isinstance(opened, Denied):
            say("denied", name)
            return
        say("opened", name, opened.index)
        ended = await log.append(outcome(name))
        say("ended", name, getattr(ended, "index", "?"))
    except AuditUnavailable:
        say("failed", name)


async def work(log: Log, name: str, exchanges: int, cap: int | None) -> None:
    """Run the exchanges, some at a time."""
    numbers = iter(range(exchanges))

    async def one_after_the_other() -> None:
        for number in numbers:
            await exchange(log, f"{name}-{number}", cap)

    await asyncio.gather(*[one_after_the_other() for _ in range(TOGETHER)])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("name")
    parser.add_argument("exchanges", type=int)
    parser.add_argument("--cap", type=int)
    parser.add_argument("--file-limit", type=int)
    given = parser.parse_args()
    engine = open_database(sqlite_url(given.folder / "log.db"))
    store = SqlLogStore(engine)
    lease = Lease(given.folder / "boots", given.name)
    log = Log(store, boot=given.name, sealer=ClearSealer(), failed=lambda _: None)
    log.start()
    sys.stdin.readline()
    if given.file_limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given.file_limit, resource.RLIM_INFINITY))
    asyncio.run(work(log, given.name, given.exchanges, given.cap))
    log.close()
    store.close()
    lease.release()
    say("done")


if __name__ == "__main__":
    main()
