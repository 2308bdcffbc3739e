"""The worker: composition root of jobs, and the only importer of training beside the command.

A worker claims jobs whose process is dead or that nobody has taken, one at a time, and
runs them where it stands. Heavy libraries are imported by the first job.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from guard.audit.lease import Lease, alive
from guard.audit.log import Log
from guard.datasets.reader import RowReader, ShardReader
from guard.domain.dataset import Dataset
from guard.errors import ConfigurationError, GuardError
from guard.jobs.job import Cancelled, Job, JobState, Taken
from guard.keys.purposes import Purpose
from guard.settings import Settings
from guard.storage.installation import Installation, new_id, open_installation
from guard.telemetry import fault

if TYPE_CHECKING:
    from guard.domain.model import ModelVersion
    from guard.training.job import Desk

__all__ = ["Worker", "opened_worker"]

POLL_SECONDS = 1.0
MOST_ATTEMPTS = 20
"""How often a job may take its process with it before a worker leaves it alone."""
Progress = Mapping[str, str | int]


class Worker:
    """Runs jobs of one installation. ``watch`` hears of progress, for whoever looks on."""

    def __init__(
        self,
        installation: Installation,
        log: Log,
        *,
        lease: str,
        clock: Callable[[], int],
        watch: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._installation = installation
        self._log = log
        self._lease = lease
        self._clock = clock
        self._watch = watch

    def serve(self, stop: threading.Event) -> None:
        """Run job after job until ``stop`` is set."""
        while not stop.is_set():
            try:
                ran = self.run_next()
            except GuardError as error:
                fault("worker", error)
                ran = None
            if ran is None:
                stop.wait(POLL_SECONDS)

    def run_next(self, job_id: str | None = None) -> Job | None:
        """Claim a job (or this one) and run it to its end; ``None`` if there was none to claim."""
        # While the log is away nothing is claimed, or a job would use up its attempts.
        self._deliver()
        job = self._installation.jobs.claim(self._lease, alive=self._alive, job_id=job_id)
        if job is None:
            return None
        try:
            self._deliver()
            if job_id is None and job.attempt > MOST_ATTEMPTS:
                self._end(job, JobState.FAILED, f"it ended {MOST_ATTEMPTS} workers; see their log")
            else:
                self._finish(job)
        except Taken:
            # It was thought dead and another process goes on with the job: that one will end it.
            fault("job", ConfigurationError(f"job {job.id} was taken over by another process"))
        return self._installation.jobs.get(job.id)

    def _alive(self, lease: str) -> bool:
        # Whoever claims runs nothing: a job of its own lease was left over by a fault.
        return lease != self._lease and alive(self._installation.boots, lease)

    def _finish(self, job: Job) -> None:
        try:
            version = self._train(job)
        except Taken:
            raise
        except Cancelled:
            self._end(job, JobState.CANCELLED, "asked")
        except GuardError as error:
            self._end(job, JobState.FAILED, error.message)
        except Exception as error:  # noqa: BLE001 (whatever broke, the job ends and says so)
            fault("job", error)
            self._end(job, JobState.FAILED, f"{type(error).__name__}; the worker's log says where")
        else:
            self._end(job, JobState.SUCCEEDED, f"{version.name} version {version.version}")

    def _train(self, job: Job) -> ModelVersion:
        from guard.training.job import run_training

        return run_training(job, self._desk(job))

    def _desk(self, job: Job) -> Desk:
        from guard.keys.envelope import Envelope
        from guard.training.job import Desk

        here = self._installation
        key = here.keyring.purpose_key(Purpose.DATASET, tenant=job.tenant, context="checkpoints")

        def reader(dataset: Dataset) -> RowReader:
            return ShardReader(dataset, folder=here.dataset_folder(dataset.id), keys=here.keyring)

        def report(progress: Progress) -> bool:
            self._watch(progress)
            return here.jobs.report(job.id, progress, lease=self._lease)

        return Desk(
            datasets=here.datasets,
            reader=reader,
            ledger=here.ledger,
            models=here.models,
            report=report,
            deliver=self._deliver,
            sealer=Envelope(key),
            signer=here.keyring.signer(),
            folder=here.data_dir / "jobs" / job.id,
            model_path=here.model_path,
            certificate_path=here.certificate_path,
            clock=self._clock,
        )

    def _deliver(self) -> None:
        asyncio.run(self._installation.deliver(self._log))

    def _end(self, job: Job, state: JobState, reason: str) -> None:
        from guard.training.job import ended

        event = ended(job, state.value, reason)
        self._installation.jobs.end(job.id, state, reason, event, lease=self._lease)
        self._deliver()


@contextmanager
def opened_worker(
    settings: Settings, *, clock: Callable[[], int], watch: Callable[[Progress], None] = lambda _: None
) -> Iterator[Worker]:
    """Open the installation for one worker. Raises ``ConfigurationError``, ``KeyUnavailable``."""
    installation = open_installation(settings.data_dir, settings.config_path)
    name = new_id()
    lease = Lease(installation.boots, name)
    try:
        with installation.recording(lambda error: fault("log", error)) as log:
            yield Worker(installation, log, lease=name, clock=clock, watch=watch)
    finally:
        lease.release()
        installation.close()


def run_until_stopped(settings: Settings, *, clock: Callable[[], int]) -> None:
    """Serve jobs until SIGINT or SIGTERM; the job at hand goes on with the next worker."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set() if not stop.is_set() else os._exit(1))
    with opened_worker(settings, clock=clock) as worker:
        worker.serve(stop)
