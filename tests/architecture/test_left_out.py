"""What is not run is said, and is a failure where everything is required."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest

def test_data(shared_data):
    pass

@pytest.mark.skipif(True, reason="strace is not installed: make system")
def test_tool():
    pass

@pytest.mark.xfail
def test_known():
    assert False

def test_other(shared_data):
    pass
"""
MODULE = 'import pytest\npytest.importorskip("no_such_module")\n'
SUMMARY = """
    1 test   could not import 'no_such_module': No module named 'no_such_module'
    1 test   strace is not installed: make system
    2 tests   the open data is not there: ../shared/data
"""


@pytest.fixture
def ran(tmp_path: Path) -> dict[str, str]:
    """Return what pytest says about the sample, by what is required."""
    folder = tmp_path / "project" / "tests"
    folder.mkdir(parents=True)
    shutil.copy2(CONFTEST, folder / "conftest.py")
    (folder / "test_sample.py").write_text(TESTS)
    (folder / "test_module.py").write_text(MODULE)
    return {required: run(folder, required) for required in ("", "all")}


def run(folder: Path, required: str) -> str:
    """Run the sample in a process of its own, whose reports travel as they do under make."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "1", "-p", "no:cacheprovider", "."],
        cwd=folder,
        env={**os.environ, "GUARD_REQUIRE": required},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout


def test_the_table_has_a_line_a_reason_and_requiring_all_makes_failures_of_them(ran: dict[str, str]) -> None:
    assert SUMMARY in ran[""] and "4 skipped, 1 xfailed" in ran[""]
    last = ran["all"].splitlines()[-1]
    assert "skipped" not in last and "1 xfailed" in last and "4 errors" in last
    assert "GUARD_REQUIRE=all, but this was left out: the open data" in ran["all"]
