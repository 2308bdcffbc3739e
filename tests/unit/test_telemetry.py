"""Logs and metrics through allow-lists: payload cannot be logged, labels are few."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import replace

import pytest
import structlog

from guard.errors import ConfigurationError
from guard.pipeline.observer import Summary
from guard.telemetry import ALLOWED, Metrics, configure_logging, fault

CANARY = "maria.gomez@kestrel-labs.com"


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks


def lines(work: Callable[[], object], *, level: str = "info") -> list[dict[str, object]]:
    """Return the lines that a piece of work logs."""
    out = io.StringIO()
    with redirect_stderr(out):
        configure_logging(level=level)
        work()
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_only_fields_of_the_list_are_logged_and_the_others_counted() -> None:
    def work() -> None:
        structlog.get_logger().info("exchange", route="openai.chat", body=CANARY, prompt=CANARY)

    (line,) = lines(work)
    assert line["event"] == "exchange" and line["route"] == "openai.chat"
    assert line["problem"] == "2 fields dropped" and CANARY not in json.dumps(line)
    assert set(line) <= ALLOWED


def test_a_foreign_error_is_a_type_and_a_place_and_never_its_message() -> None:
    def work() -> None:
        try:
            raise ValueError(CANARY)
        except ValueError as error:
            fault("task", error)

    (line,) = lines(work)
    assert (line["exception"], line["task"], line["problem"]) == ("ValueError", "task", "")
    assert str(line["where"]).startswith("work:") and CANARY not in json.dumps(line)


def test_an_error_of_ours_keeps_its_message() -> None:
    (line,) = lines(lambda: fault("policy", ConfigurationError("screening.yaml:3:1: no")))
    assert line["problem"] == "screening.yaml:3:1: no" and line["where"] == ""


def test_warnings_and_errors_that_nobody_catches_become_faults() -> None:
    def fail() -> None:
        raise ValueError(CANARY)

    def work() -> None:
        thread = threading.Thread(target=fail, name="audit-log")
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError(CANARY), None)
        warnings.showwarning(CANARY, UserWarning, "file.py", 1)

    written = lines(work)
    assert [line["task"] for line in written] == ["audit-log", "process", "py.warnings"]
    assert CANARY not in json.dumps(written)


def test_a_fault_without_an_error_is_a_warning() -> None:
    (line,) = lines(lambda: fault("task", None))
    assert (line["level"], line["task"]) == ("warning", "task")


@pytest.mark.parametrize("name", ["uvicorn.error", "uvicorn.access", "asyncio", "aiohttp.client", "anything"])
def test_lines_of_libraries_lose_their_text(name: str) -> None:
    def work() -> None:
        try:
            raise RuntimeError(CANARY)
        except RuntimeError:
            logging.getLogger(name).exception("failed with %s", CANARY)
        logging.getLogger(name).info("request %s", CANARY)

    (line,) = lines(work)
    assert (line["task"], line["exception"]) == (name, "RuntimeError")
    assert CANARY not in json.dumps(line)


@pytest.mark.parametrize(("level", "count"), [("info", 1), ("warning", 0), ("error", 0)])
def test_the_level_is_that_of_the_settings(level: str, count: int) -> None:
    assert len(lines(lambda: structlog.get_logger().info("exchange"), level=level)) == count


SUMMARY = Summary(
    exchange="x1",
    route="openai.chat",
    end="complete",
    code="",
    attempts=1,
    guard_seconds=0.0015,
    total_seconds=0.3,
    entities={},
    restored=0,
    withheld=0,
    prefix_changed=0,
)


def test_an_exchange_is_counted_and_logged_in_numbers_and_codes() -> None:
    metrics = Metrics(shared=False)

    def work() -> None:
        found = {"EMAIL_ADDRESS": 2, "JWT": 1}
        metrics.exchange_ended(replace(SUMMARY, entities=found, restored=3, withheld=1, prefix_changed=2))
        metrics.exchange_ended(replace(SUMMARY, end="refused", code="content_policy_violation"))

    first, second = lines(work)
    assert (first["guard_ms"], first["total_ms"], first["restored"]) == (1.5, 300.0, 3)
    assert second["code"] == "content_policy_violation"
    told = metrics.render().decode()
    for line in (
        'guard_exchanges_total{code="",end="complete",route="openai.chat"} 1.0',
        'guard_exchanges_total{code="content_policy_violation",end="refused",route="openai.chat"} 1.0',
        'guard_entities_total{entity_type="EMAIL_ADDRESS"} 2.0',
        'guard_entities_total{entity_type="JWT"} 1.0',
        'guard_restores_total{result="restored"} 3.0',
        'guard_restores_total{result="withheld"} 1.0',
        "guard_prefix_changes_total 2.0",
        'guard_overhead_seconds_count{route="openai.chat"} 2.0',
        'guard_overhead_seconds_bucket{le="0.002",route="openai.chat"} 2.0',
    ):
        assert line in told.splitlines()


@pytest.mark.parametrize("code", ["invalid_api_key", "missing_api_key"])
def test_a_stranger_is_counted_and_writes_no_line(code: str) -> None:
    metrics = Metrics(shared=False)
    assert lines(lambda: metrics.exchange_ended(replace(SUMMARY, end="refused", code=code))) == []
    assert (
        f'guard_exchanges_total{{code="{code}",end="refused",route="openai.chat"}} 1.0'
        in metrics.render().decode()
    )


def test_no_label_of_a_metric_can_hold_a_caller_a_key_or_a_text() -> None:
    metrics = Metrics(shared=False)
    with redirect_stderr(io.StringIO()):
        configure_logging()
        for number in range(50):
            metrics.exchange_ended(replace(SUMMARY, exchange=f"x{number}"))
    told = metrics.render().decode()
    samples = [line for line in told.splitlines() if line and not line.startswith("#")]
    assert not any("x49" in line for line in samples)
    labels = {
        pair.partition("=")[0]
        for line in samples
        if "{" in line
        for pair in line[line.index("{") + 1 : line.index("}")].split(",")
    }
    assert labels <= {"route", "end", "code", "entity_type", "result", "le"}


def test_an_observed_fault_is_logged_without_its_message() -> None:
    metrics = Metrics(shared=False)
    (line,) = lines(lambda: metrics.failed("exchange", RuntimeError(CANARY)))
    assert (line["task"], line["exception"]) == ("exchange", "RuntimeError") and CANARY not in json.dumps(
        line
    )
