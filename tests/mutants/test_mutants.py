"""Plants each fault of the table into a copy of the program and sees its test fail.

Whether the test passes without the fault is what the rest of the suite shows. A test that
cannot be collected, or that fails before it reaches the program, would catch nothing: so
the copy's own code must be what ran, and pytest must report failed tests, not errors.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("guard", "tests", "benchmarks", "migrations", "policies", "pyproject.toml")
FAILED = 1
"""Pytest's exit code for tests that ran and failed; errors of collection have others."""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the program and its tests; compiled files are still good there."""
    folder = tmp_path_factory.mktemp("mutants")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns(".*", "results", "architecture")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.is_file():
            shutil.copy2(source, folder / name)
    return folder


@pytest.fixture
def planted(copy: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Return the copy with the mutant of this test in it, until the test ends."""
    mutant: Mutant = request.param
    for change in mutant.changes:
        path = copy / change.file
        text = path.read_text()
        assert text.count(change.old) == 1, (
            f"{change.file} has the text {text.count(change.old)} times, not once"
        )
        path.write_text(text.replace(change.old, change.new))
        compile(path.read_text(), change.file, "exec")
    yield copy
    for file in {change.file for change in mutant.changes}:
        shutil.copy2(ROOT / file, copy / file)


def run(folder: Path, node: str) -> subprocess.CompletedProcess[str]:
    """Run one test in ``folder``, with the code that stands there."""
    options = "-x -q -p no:cacheprovider -p no:randomly -p no:xdist --hypothesis-profile=mutants"
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options.split(), node],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "GUARD_REQUIRE": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("planted", "mutant"), [(m, m) for m in MUTANTS], indirect=["planted"], ids=[m.name for m in MUTANTS]
)
def test_the_fault_is_caught(planted: Path, mutant: Mutant) -> None:
    done = run(planted, mutant.node)
    assert done.returncode == FAILED, f"survived: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    assert re.search(r"\b1 failed\b", done.stdout) and "error" not in done.stdout.splitlines()[-1]


def test_every_law_has_a_mutant_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert all((ROOT / mutant.node.partition("::")[0]).is_file() for mutant in MUTANTS)


def test_the_copy_is_what_runs(copy: Path, tmp_path: Path) -> None:
    probe = copy / "tests" / "test_probe.py"
    probe.write_text(
        f"import guard\n\ndef test_it() -> None:\n    assert guard.__file__.startswith({str(copy)!r})\n"
    )
    done = run(copy, "tests/test_probe.py")
    probe.unlink()
    assert done.returncode == 0, done.stdout
