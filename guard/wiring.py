"""Composition root of serving: the only place that picks adapters for a worker.

``build`` puts a worker together, ``start`` brings it to life, ``stop`` ends it with
nothing lost: requests are drained by the server before, then the background tasks end,
what is counted is recorded, and the log is closed.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from guard.audit.batch import Writes
from guard.audit.housekeeping import Housekeeping
from guard.audit.lease import Lease
from guard.audit.log import Log
from guard.domain.event import Record
from guard.domain.principal import Principal
from guard.errors import AuthenticationError, ConfigurationError
from guard.gateway.asgi import ASGIApp, ModelEndpoints
from guard.gateway.operations import operations_app
from guard.pipeline.authorize import usable_models
from guard.pipeline.exchange import Gate
from guard.pipeline.memo import FindingMemo
from guard.pipeline.snapshot import Snapshot, SnapshotSource
from guard.pipeline.strangers import Strangers
from guard.registry.providers import DEMO, MODELS
from guard.settings import Settings
from guard.storage.installation import Installation, new_id, open_installation
from guard.storage.truth import FileTruth
from guard.telemetry import Metrics, fault
from guard.upstream.credentials import Credentials
from guard.upstream.http import HttpUpstream
from guard.upstream.json_text import BodyLimits

__all__ = ["Services", "build", "build_model_server"]

REFRESH_SECONDS = 0.5
ROUND_SECONDS = 1.0
MINUTE_SECONDS = 60.0
METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Services:
    """Everything that one worker runs."""

    def __init__(self, installation: Installation, *, workers: int, builtin: Mapping[str, str]) -> None:
        configuration = installation.configuration
        self._installation = installation
        self._workers = workers
        self._truth = FileTruth(configuration, installation.keys, installation.models, builtin=builtin)
        self._source = SnapshotSource(self._truth, source=configuration.policies_source)
        self._store = installation.open_log_store()
        boot = new_id()
        self._lease = Lease(installation.boots, boot)
        self._log = Log(
            self._store, boot=boot, sealer=installation.keyring, failed=lambda error: fault("log", error)
        )
        self._housekeeping = Housekeeping(
            self._store, self._log, folder=installation.boots, signer=installation.keyring.signer()
        )
        self._strangers = Strangers()
        _forget_dead_workers(os.environ.get(METRICS_FOLDER))
        self._metrics = Metrics(shared=METRICS_FOLDER in os.environ)
        self._upstream = HttpUpstream(
            Credentials(environment=os.environ, secret=installation.secrets.get, clock=time.monotonic)
        )
        self._gate = Gate(
            snapshot=lambda: self._source.current,
            keyring=installation.keyring,
            recorder=self._log,
            upstream=self._upstream,
            strangers=self._strangers,
            observer=self._metrics,
            memo=FindingMemo(key=os.urandom(32)),
            limits=(limits := BodyLimits()),
            reporting=self._reporting,
        )
        self.endpoints = ModelEndpoints(
            self._gate,
            fallback=operations_app(
                authenticate=self._authenticate,
                usable=usable_models,
                ready=self.ready,
                metrics=self._metrics.render,
                new_id=new_id,
            ),
            max_body=limits.bytes,
            new_id=new_id,
        )
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        """Record the start and begin the background tasks. Raises ``AuditUnavailable``."""
        self._loop = asyncio.get_running_loop()
        self._log.start()
        await self._installation.deliver(self._log)
        await self._log.append(self._started())
        await self._log.append(self._source.loaded())
        self._run(
            "snapshot", self._source.watch(self._log, seconds=REFRESH_SECONDS, failed=_reporter("snapshot"))
        )
        self._run(
            "strangers",
            self._strangers.watch(self._log, seconds=MINUTE_SECONDS, failed=_reporter("strangers")),
        )
        self._run(
            "housekeeping", self._housekeeping.watch(seconds=ROUND_SECONDS, failed=_reporter("housekeeping"))
        )
        self._run("rounds", self._rounds())
        self._metrics.ready.set(1)

    async def stop(self) -> None:
        """End what ``start`` began; the server has drained the requests by now."""
        self._metrics.ready.set(0)
        tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        # A step that fails must not keep the others from being done.
        await _attempt("strangers", self._strangers.flush(self._log))
        await _attempt("outbox", self._installation.deliver(self._log))
        stopped = Record(tenant="system", type="system.stopped", fields={"reason": "asked"})
        await _attempt("log", self._log.append(stopped))
        await _attempt("housekeeping", self._housekeeping.round())
        await _attempt("upstream", self._upstream.close())
        await asyncio.to_thread(self._log.close)
        self._store.close()
        self._lease.release()
        self._installation.close()

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Return whether this worker can do its work, and what is known about that."""
        configuration = self._installation.configuration
        dead = sorted(name for name, task in self._tasks.items() if task.done())
        until = configuration.enforcement_until
        problems = [f"the background task {name} has ended" for name in dead]
        if until is not None and not self._reporting():
            problems.append(f"reporting ended on {until}, everything is enforced: write enforcement: enforce")
        if not self._log.healthy:
            problems.append("the audit log cannot be written")
        if self._source.problem:
            problems.append(self._source.problem)
        facts: dict[str, object] = {
            "policy": self._source.current.digest,
            "log": "healthy" if self._log.healthy else "unavailable",
            "enforcement": "report" if self._reporting() else "enforce",
            "audit": configuration.audit_mode,
            "problem": "; ".join(problems) or None,
        }
        if until is not None:
            facts["enforcement_until"] = until.isoformat()
        return self._log.healthy and not dead and bool(self._tasks), facts

    def _reporting(self) -> bool:
        """Whether to forward unchanged; after the last day everything is enforced again."""
        until = self._installation.configuration.enforcement_until
        return until is not None and _today() <= until

    def _started(self) -> Record:
        configuration = self._installation.configuration
        return Record(
            tenant="system",
            type="system.started",
            fields={
                "enforcement": configuration.enforcement,
                "mode": configuration.audit_mode,
                "policy": self._source.current.digest,
                "version": _version(),
                "workers": self._workers,
            },
        )

    def _authenticate(self, credential: str | None) -> tuple[Principal, Snapshot]:
        """Authenticate a request that only lists; runs in a thread of the framework."""
        try:
            return self._gate.authenticate(credential)
        except AuthenticationError as error:
            if self._loop:
                self._loop.call_soon_threadsafe(self._strangers.note, error.code, "")
            raise

    def _run(self, name: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report_end)
        self._tasks[name] = task

    async def _rounds(self) -> None:
        """Each second: tell of broken files, deliver the outbox, look whether a failed log is back."""
        said: str | None = None
        while True:
            await asyncio.sleep(ROUND_SECONDS)
            problem = self._source.problem
            if problem and problem != said:
                fault("policy", ConfigurationError(f"{problem} (the last good policy stays in force)"))
            said = problem
            await _attempt("outbox", self._installation.deliver(self._log))
            if not self._log.healthy:
                await _attempt("log", asyncio.to_thread(self._probe))

    def _probe(self) -> None:
        """Write the head of a log as it is: durable or an error, and no record.

        Without this, a worker that is taken out of service because its log failed would
        never append again, and so never learn that the log is back.
        """
        store = self._installation.open_log_store()
        try:
            with store.transaction() as transaction:
                transaction.write(Writes(heads=transaction.heads(["system"])))
        finally:
            store.close()
        self._log.healthy = True


def _reporter(task: str) -> Callable[[BaseException], None]:
    return lambda error: fault(task, error)


def _report_end(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        fault(task.get_name(), task.exception())


async def _attempt(task: str, work: Awaitable[object]) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 (reported; the caller goes on with what is left)
        fault(task, error)


def _forget_dead_workers(folder: str | None) -> None:
    """Remove the gauges of processes that are gone, or one that died early is never ready."""
    for path in Path(folder).glob("gauge_live*_*.db") if folder else ():
        number = path.stem.rpartition("_")[2]
        if number.isdigit() and not _runs(int(number)):
            path.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _today() -> date:
    return datetime.now(UTC).date()


def _version() -> str:
    try:
        return version("guard")
    except PackageNotFoundError:
        return "source"


def build(settings: Settings) -> Services:
    """Open the installation and put a worker together.

    Raises ``ConfigurationError`` and ``KeyUnavailable``, each with what to do.
    """
    installation = open_installation(settings.data_dir, settings.config_path)
    builtin = {}
    if settings.demo_port:
        builtin[DEMO] = f"http://127.0.0.1:{settings.demo_port}/v1"
    if settings.models_port:
        builtin[MODELS] = f"http://127.0.0.1:{settings.models_port}"
    return Services(installation, workers=settings.workers or 1, builtin=builtin)


def build_model_server(settings: Settings) -> ASGIApp:
    """Put the model server together; it reads what is in production from the same installation."""
    from guard.inference.app import make_app
    from guard.inference.models import ServedModels
    from guard.storage.served import StoredModels

    installation = open_installation(settings.data_dir, settings.config_path)
    source = StoredModels(
        installation.models, models=installation.model_path, certificates=installation.certificate_path
    )
    return make_app(ServedModels(source, public=installation.keyring.signer().public))
