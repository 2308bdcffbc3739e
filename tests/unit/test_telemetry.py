"""Nothing that a request held can get into a log line or a metric, whoever tries to write it."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog

from guard.errors import PolicyDenied
from guard.pipeline.observer import Summary
from guard.telemetry import ALLOWED, Metrics, configure_logging, fault

CANARY = "canary.bird@kestrel-labs.com"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Return what is logged; how the process logs is put back afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, sys.excepthook, threading.excepthook
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    configure_logging(level="debug")
    yield Lines(written)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    root.handlers[:], _, sys.excepthook, threading.excepthook = before
    root.setLevel(before[1])


class Lines:
    """The log so far."""

    def __init__(self, written: io.StringIO) -> None:
        self._written = written

    def read(self) -> list[dict[str, object]]:
        """Return the lines; none of them may hold the value."""
        text = self._written.getvalue()
        assert CANARY not in text
        return [json.loads(line) for line in text.splitlines()]


def broken() -> ValueError:
    """Return an error of a library that quotes what it was given."""
    try:
        int(CANARY)
    except ValueError as error:
        return error
    raise AssertionError("that was no number")


def test_fields_that_are_not_on_the_list_are_dropped_and_counted(lines: Lines) -> None:
    structlog.get_logger().info("exchange", body=CANARY, subject=CANARY, code="ok", exc_info=broken())
    (line,) = lines.read()
    assert line["problem"] == "3 fields dropped" and line["code"] == "ok"
    assert set(line) <= ALLOWED


@pytest.mark.parametrize(
    "name", ["uvicorn.error", "asyncio", "aiohttp.client", "sqlalchemy", "a.strange.library"]
)
def test_libraries_say_who_and_what_kind_and_nothing_else(lines: Lines, name: str) -> None:
    library = logging.getLogger(name)
    library.warning("refused %s", CANARY)
    library.error(CANARY, exc_info=broken(), extra={"body": CANARY})
    library.info(CANARY)
    warned, failed = lines.read()
    assert (warned["task"], failed["task"], failed["exception"]) == (name, name, "ValueError")


def test_a_fault_has_type_and_place_and_only_our_own_words(lines: Lines) -> None:
    fault("task", broken())
    fault("task", PolicyDenied("blocked by policy rule contact: 1 EMAIL_ADDRESS"))
    foreign, ours = lines.read()
    assert (foreign["exception"], foreign["problem"]) == ("ValueError", "")
    assert str(foreign["where"]).startswith("broken:")
    assert ours["problem"] == "blocked by policy rule contact: 1 EMAIL_ADDRESS"


def test_warnings_and_errors_that_nobody_catches_become_faults(lines: Lines) -> None:
    def fail() -> None:
        raise broken()

    thread = threading.Thread(target=fail, name="audit-log")
    thread.start()
    thread.join()
    error = broken()
    sys.excepthook(type(error), error, error.__traceback__)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning(CANARY, UserWarning, "file.py", 1)
    assert [line["task"] for line in lines.read()] == ["audit-log", "process", "py.warnings"]


def test_metrics_have_labels_that_are_codes_and_types_and_sums_that_are_right(lines: Lines) -> None:
    metrics = Metrics(shared=False)
    for number in range(3):
        metrics.exchange_ended(
            Summary(
                exchange=f"e{number}",
                route="openai.chat",
                end="complete",
                code="",
                attempts=1,
                guard_seconds=0.003,
                total_seconds=0.3,
                entities={"EMAIL_ADDRESS": 2},
                restored=1,
                withheld=0,
                prefix_changed=0,
            )
        )
    metrics.failed("exchange", broken())
    text = metrics.render().decode()
    assert CANARY not in text
    assert 'guard_exchanges_total{code="",end="complete",route="openai.chat"} 3.0' in text
    assert 'guard_entities_total{entity_type="EMAIL_ADDRESS"} 6.0' in text
    assert 'guard_restores_total{result="restored"} 3.0' in text and 'result="withheld"' not in text
    assert 'guard_overhead_seconds_bucket{le="0.004",route="openai.chat"} 3.0' in text
    *exchanges, failure = lines.read()
    assert [line["exchange"] for line in exchanges] == ["e0", "e1", "e2"]
    assert exchanges[0]["guard_ms"] == 3.0 and failure["exception"] == "ValueError"
