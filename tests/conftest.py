"""What all tests share: Hypothesis profiles, the open data, and the table of what was left out.

A test that needs something which is not installed skips with a reason; reasons stand in a
closing table, one line an area. With ``GUARD_REQUIRE=all`` such a skip is a failure.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest
import pytest_randomly
from hypothesis import HealthCheck, Phase, settings

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
REQUIRED = "GUARD_REQUIRE=all, but this was left out: "

# Seeding libraries that no test draws from would import them: torch, in every process of tests.
pytest_randomly.entrypoint_reseeds = []

# Two processes share two busy cores: an example may take long without being wrong.
settings.register_profile(
    "test", deadline=None, max_examples=80, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("soak", parent=settings.get_profile("test"), max_examples=20_000)
settings.register_profile(
    "mutants",
    parent=settings.get_profile("test"),
    max_examples=300,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("test")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of open data, or leave the test out."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the open data is not there: ../shared/data")
    return SHARED_DATA


def everything_required() -> bool:
    """Return whether nothing may be left out."""
    return os.environ.get("GUARD_REQUIRE") == "all"


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test was left out."""
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def _demand(report: pytest.TestReport | pytest.CollectReport) -> None:
    # A test that is expected to fail was run; only what was not run was left out.
    if report.skipped and not hasattr(report, "wasxfail") and everything_required():
        report.longrepr = REQUIRED + reason_of(report)
        report.outcome = "failed"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where everything is required."""
    report = yield
    _demand(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Do the same for whole files."""
    report = yield
    _demand(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, one line an area."""
    reports = terminalreporter.getreports("skipped")
    reasons = Counter(reason_of(report) for report in reports if not hasattr(report, "wasxfail"))
    if reasons:
        terminalreporter.section("left out")
        for reason, count in sorted(reasons.items()):
            terminalreporter.write_line(f"{count:5} {'test' if count == 1 else 'tests'}   {reason}")
