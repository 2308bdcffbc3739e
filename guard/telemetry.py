"""Logs and metrics through an allow-list of fields, so that payload cannot be logged.

A log line holds only fields of ``ALLOWED``; anything else is dropped and counted in
``dropped``. Of foreign exceptions only type and place are kept, never the message,
because nobody can promise what a library quotes. Metrics have bounded labels: routes,
ends, codes, entity types.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import MutableMapping

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from guard.errors import GuardError
from guard.pipeline.observer import Summary

__all__ = ["ALLOWED", "Metrics", "configure_logging", "fault"]

ALLOWED = frozenset(
    [
        "address",
        "attempts",
        "boot",
        "code",
        "data_dir",
        "digest",
        "end",
        "event",
        "exchange",
        "exception",
        "guard_ms",
        "level",
        "logger",
        "model_server",
        "pid",
        "policy",
        "port",
        "problem",
        "provider",
        "restored",
        "route",
        "seconds",
        "task",
        "timestamp",
        "total_ms",
        "url",
        "version",
        "where",
        "withheld",
        "workers",
    ]
)
"""Every field that a log line may have. A test pushes canaries through all others."""

STRANGERS = frozenset({"invalid_api_key", "missing_api_key"})
"""Codes of those whom nobody knows; the audit log has them, one leaf a minute."""

log = structlog.get_logger()


def _allow(_: object, __: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
    dropped = [name for name in event if name not in ALLOWED]
    for name in dropped:
        del event[name]
    if dropped:
        event["problem"] = f"{len(dropped)} fields dropped"
    return event


class _Plain(logging.Handler):
    """Standard-library records (uvicorn, asyncio, aiohttp) without message or arguments."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            return
        error = record.exc_info[1] if record.exc_info else None
        fault(record.name, error)


def configure_logging(*, level: str = "info") -> None:
    """Send structured lines to standard error and quiet everything that is not ours.

    Warnings and errors that nobody catches would print their message; they become faults.
    """
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            _allow,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    root = logging.getLogger()
    root.handlers[:] = [_Plain()]
    root.setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "aiohttp"):
        foreign = logging.getLogger(name)
        foreign.handlers.clear()
        foreign.propagate = True
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda _, error, __: fault("process", error)
    threading.excepthook = lambda said: fault(said.thread.name if said.thread else "thread", said.exc_value)


def fault(task: str, error: BaseException | None) -> None:
    """Log a fault of a background task or library: type and place, and our own messages."""
    if error is None:
        log.warning("fault", task=task)
        return
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].name}:{frames[-1].lineno}" if frames else ""
    problem = error.message if isinstance(error, GuardError) else ""
    log.error("fault", task=task, exception=type(error).__name__, where=where, problem=problem)


class Metrics:
    """Prometheus metrics of this worker, and the ``Observer`` of the pipeline.

    With ``PROMETHEUS_MULTIPROC_DIR`` set, ``render`` sums all workers.
    """

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._registry = CollectorRegistry()
        self._ends = Counter(
            "guard_exchanges",
            "Exchanges by route, end and code",
            ["route", "end", "code"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "guard_overhead_seconds",
            "Guard's own time before the first byte of the answer",
            ["route"],
            buckets=(0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.0),
            registry=self._registry,
        )
        self._entities = Counter(
            "guard_entities", "Findings in requests by entity type", ["entity_type"], registry=self._registry
        )
        self._restores = Counter(
            "guard_restores",
            "Surrogates in answers, restored or withheld",
            ["result"],
            registry=self._registry,
        )
        self._changed = Counter(
            "guard_prefix_changes",
            "Earlier parts of requests that changed because a value was recognised later",
            registry=self._registry,
        )
        self.ready = Gauge(
            "guard_ready", "Whether this worker serves", registry=self._registry, multiprocess_mode="livemin"
        )

    def exchange_ended(self, summary: Summary) -> None:
        """Count one exchange and log its summary; strangers are counted alone, or they fill the disk."""
        self._ends.labels(summary.route, summary.end, summary.code).inc()
        self._seconds.labels(summary.route).observe(summary.guard_seconds)
        for name, count in summary.entities.items():
            self._entities.labels(name).inc(count)
        if summary.restored:
            self._restores.labels("restored").inc(summary.restored)
        if summary.withheld:
            self._restores.labels("withheld").inc(summary.withheld)
        if summary.prefix_changed:
            self._changed.inc(summary.prefix_changed)
        if summary.code in STRANGERS:
            return
        log.info(
            "exchange",
            exchange=summary.exchange,
            route=summary.route,
            end=summary.end,
            code=summary.code,
            attempts=summary.attempts,
            guard_ms=round(summary.guard_seconds * 1000, 2),
            total_ms=round(summary.total_seconds * 1000, 2),
            restored=summary.restored,
            withheld=summary.withheld,
        )

    def failed(self, task: str, error: BaseException) -> None:
        """Log a fault by type and place."""
        fault(task, error)

    def render(self) -> bytes:
        """Return the text format, over all workers where they share a folder."""
        if not self._shared:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
