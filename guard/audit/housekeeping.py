"""What a worker does for the log beside writing: checkpoints, and gaps of the dead.

Every worker runs this; a lock file decides who works. Whoever holds it signs a checkpoint
when a tree grew, and ends exchanges whose process has died with a ``exchange.gap``. All
workers learn the newest checkpoint.
"""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from guard.audit.batch import Head, OpenExchange
from guard.audit.checkpoint import CheckpointSigner, sign
from guard.audit.lease import alive, sweep
from guard.audit.log import Log
from guard.audit.verify import VerificationFailed, root_of
from guard.domain.event import CheckpointSummary, Record
from guard.errors import Conflict

__all__ = ["Housekeeping", "HousekeepingStore", "sign_checkpoint"]

HOUR = 3600
KEPT = 24 * HOUR
"""Counters stay a day after their window, for exchanges that still run."""
TOGETHER = 256
"""Gaps that are appended at a time, so that they share a commit."""


class HousekeepingStore(Protocol):
    """What housekeeping reads and writes beside the log's own transactions."""

    def logs(self) -> list[str]:
        """Return the names of all logs."""
        ...

    def head(self, log: str) -> Head:
        """Return the state of one log."""
        ...

    def open_exchanges(self) -> list[OpenExchange]:
        """Return every exchange without an end."""
        ...

    def forget_usage(self, before: int) -> None:
        """Delete counters of windows that ended before ``before`` (seconds since 1970)."""
        ...

    def newest_checkpoint(self, log: str) -> str | None:
        """Return the text of a log's newest checkpoint."""
        ...

    def add_checkpoint(self, log: str, size: int, signed: str) -> None:
        """Store a checkpoint; one of the same size is kept."""
        ...


def summary(text: str) -> CheckpointSummary:
    """Return what a stored checkpoint says, in short."""
    origin, size, root = text.split("\n")[:3]
    return CheckpointSummary(origin=origin, size=int(size), root=root)


def sign_checkpoint(store: HousekeepingStore, log: str, signer: CheckpointSigner) -> str | None:
    """Sign the log's state if it grew since the newest checkpoint; return the newest text.

    Raises ``VerificationFailed`` if the log is shorter than what was signed before: another
    history of the same length must not get a signature of ours.
    """
    newest = store.newest_checkpoint(log)
    head = store.head(log)
    signed_size = summary(newest).size if newest is not None else 0
    if head.size < signed_size:
        raise VerificationFailed(
            f"log {log}: {head.size} entries, but {signed_size} were signed; run: guard audit fsck"
        )
    if head.size == signed_size:
        return newest
    signed = sign(log, head.size, root_of(head.frontier), signer)
    store.add_checkpoint(log, head.size, signed)
    return signed


class Housekeeping:
    """Runs beside the log of one worker. ``folder`` holds the leases of all boots."""

    def __init__(
        self,
        store: HousekeepingStore,
        log: Log,
        *,
        folder: Path,
        signer: CheckpointSigner,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._log = log
        self._folder = folder
        self._signer = signer
        self._clock = clock
        self._forgotten = 0

    async def watch(
        self,
        *,
        seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Do a round every ``seconds`` until cancelled."""
        while True:
            await sleep(seconds)
            try:
                await self.round()
            except Exception as error:  # noqa: BLE001 (the next round tries again; the fault is reported)
                failed(error)

    async def round(self) -> None:
        """Close gaps, sign, forget old counters and learn once."""
        with _locked(self._folder / "housekeeping") as mine:
            if mine:
                await self._close_gaps()
                await asyncio.to_thread(self._sign)
                await asyncio.to_thread(self._forget)
        await asyncio.to_thread(self._learn)

    def _sign(self) -> None:
        failure: VerificationFailed | None = None
        for log in self._store.logs():
            try:
                sign_checkpoint(self._store, log, self._signer)
            except VerificationFailed as error:
                failure = error  # the other logs are signed all the same
        if failure is not None:
            raise failure

    def _forget(self) -> None:
        hour = int(self._clock()) // HOUR
        if hour != self._forgotten:
            self._store.forget_usage(hour * HOUR - KEPT)
            self._forgotten = hour

    def _learn(self) -> None:
        for log in self._store.logs():
            newest = self._store.newest_checkpoint(log)
            if newest is not None:
                self._log.learn(log, summary(newest))

    async def _close_gaps(self) -> None:
        opened = await asyncio.to_thread(self._store.open_exchanges)
        boots = {exchange.boot for exchange in opened}
        dead = {boot for boot in boots if not alive(self._folder, boot)}
        lost = [exchange for exchange in opened if exchange.boot in dead]
        for start in range(0, len(lost), TOGETHER):
            await self._append_gaps(lost[start : start + TOGETHER])
        sweep(self._folder, boots)

    async def _append_gaps(self, lost: Sequence[OpenExchange]) -> None:
        results = await asyncio.gather(
            *[self._log.append(_gap(exchange)) for exchange in lost], return_exceptions=True
        )
        for result in results:
            # A process that ended well between the two looks has closed its exchange itself.
            if isinstance(result, BaseException) and not isinstance(result, Conflict):
                raise result


def _gap(exchange: OpenExchange) -> Record:
    return Record(
        tenant=exchange.log,
        type="exchange.gap",
        fields={"attempt": exchange.attempt, "exchange": exchange.exchange, "lost": exchange.boot},
        closes=exchange.exchange,
    )


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
