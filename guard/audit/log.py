"""The log's writer: leaderless group commit, one thread a process (DESIGN §5, Audit).

A batch is whatever queued while the last one became durable: no timer, no leader. The
caller's coroutine wakes when its record is on disk. If a batch fails, all of it fails and
nobody is told otherwise: ``AuditUnavailable``, and nothing leaves.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Protocol

from guard.audit.batch import LogTransaction, Pending, Result, commit
from guard.audit.leaf import Leaf, Sealer, prepare
from guard.domain.event import EVENT_TYPES, CheckpointSummary, Denied, Receipt, Record
from guard.domain.identifier import uuid7
from guard.errors import AuditUnavailable, Conflict
from guard.keys.entropy import random_bytes

__all__ = ["Log", "LogStore"]

BATCH = 256
QUEUE = 8192
SALT = 16
UNAVAILABLE = "the audit log cannot be written, so nothing was sent; see 'guard doctor'"


class LogStore(Protocol):
    """Where the log is kept."""

    def transaction(self) -> AbstractContextManager[LogTransaction]:
        """Take the lock and open a write transaction; leaving it commits durably."""
        ...


class _Waiting:
    __slots__ = ("future", "loop", "pending", "result")

    def __init__(
        self,
        pending: Pending,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Receipt | Denied],
    ) -> None:
        self.pending = pending
        self.loop = loop
        self.future = future
        self.result: Result | None = None


class Log:
    """Implements ``domain.event.Recorder``. ``boot`` identifies this process's life.

    ``failed`` hears of every batch that could not be written.
    """

    def __init__(
        self,
        store: LogStore,
        *,
        boot: str,
        sealer: Sealer,
        failed: Callable[[BaseException], None],
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._store = store
        self._boot = boot
        self._sealer = sealer
        self._failed = failed
        self._clock = clock
        self._wake = threading.Condition()
        self._queue: list[_Waiting] = []
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._checkpoints: dict[str, CheckpointSummary] = {}
        self.healthy = True

    def start(self) -> None:
        """Start the writer thread."""
        self._thread = threading.Thread(target=self._write, name="audit-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what is queued and stop."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread:
            self._thread.join()

    async def append(self, record: Record) -> Receipt | Denied:
        """Return once the record is durable.

        Raises ``AuditUnavailable``, and ``Conflict`` for a second end of an exchange.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(self._prepare(record), loop, loop.create_future())
        with self._wake:
            if not self._writing() or len(self._queue) >= QUEUE:
                raise AuditUnavailable(UNAVAILABLE)
            self._queue.append(waiting)
            self._wake.notify()
        return await waiting.future

    def _writing(self) -> bool:
        return not self._stopping and self._thread is not None and self._thread.is_alive()

    def checkpoint(self, tenant: str) -> CheckpointSummary | None:
        """Return the newest checkpoint known here, without I/O."""
        return self._checkpoints.get(tenant)

    def learn(self, tenant: str, checkpoint: CheckpointSummary) -> None:
        """Take note of a newer checkpoint."""
        self._checkpoints[tenant] = checkpoint

    def _leaf(self, record: Record) -> Leaf:
        salts = SALT * len(EVENT_TYPES[record.type].sealed)
        entropy = random_bytes(10 + salts)
        name = uuid7(microseconds=self._clock(), entropy=entropy[:10])
        return prepare(record, boot=self._boot, leaf_id=name, entropy=entropy[10:], sealer=self._sealer)

    def _prepare(self, record: Record) -> Pending:
        if record.holds and (record.denied is None or record.denied.tenant != record.tenant):
            raise RuntimeError(f"{record.type}: holds without a denied form in the same log")
        # The denied form is only made for records that can be denied.
        denied = self._leaf(record.denied) if record.holds and record.denied else None
        return Pending(record=record, leaf=self._leaf(record), denied=denied)

    def _write(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stopping:
                    self._wake.wait()
                if not self._queue:
                    return
                batch, self._queue = self._queue[:BATCH], self._queue[BATCH:]
            self._write_batch(batch)

    def _write_batch(self, batch: Sequence[_Waiting]) -> None:
        failure: Exception | None = None
        try:
            with self._store.transaction() as transaction:
                results = commit(
                    transaction,
                    [waiting.pending for waiting in batch],
                    boot=self._boot,
                    now=self._clock(),
                )
        except Exception as error:  # noqa: BLE001 (whatever it is, no record means no service; it is reported)
            failure = error
        else:
            for waiting, result in zip(batch, results, strict=True):
                waiting.result = result
        self.healthy = failure is None
        for loop in {waiting.loop for waiting in batch}:
            mine = [waiting for waiting in batch if waiting.loop is loop]
            # A loop that was closed meanwhile has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, mine)
        if failure is not None:
            self._failed(failure)


def _resolve(batch: Sequence[_Waiting]) -> None:
    for waiting in batch:
        if waiting.future.done():
            continue
        if waiting.result is None:
            waiting.future.set_exception(AuditUnavailable(UNAVAILABLE))
        elif isinstance(waiting.result, Conflict):
            waiting.future.set_exception(waiting.result)
        else:
            waiting.future.set_result(waiting.result)
