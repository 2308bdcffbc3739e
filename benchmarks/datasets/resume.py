"""Ingest and training are killed (-9) at random moments and run again: same result, nothing in clear.

Each trial has a data directory of its own, copied from one template with one keyring, so
that results can be compared. *Ingest*: the rows that are read back are those of a run that
nobody disturbed. *Training*: the job ends, its certificate counts every step that the
ledger wrote ahead, those that ran twice included. After each, every file of the data
directory is searched for values of the table.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.datasets.table import CLEAR, RECIPE, write_table
from benchmarks.outcome import Fact, Measured, NotRun, Outcome, Say
from guard.datasets.reader import ShardReader
from guard.settings import Settings
from guard.storage.installation import Installation, open_installation

__all__ = ["Trials", "killed", "measure", "soak"]

KILLS = 50
SOAK_KILLS = 1000
ROWS = 30_000
COMMAND = (sys.executable, "-m", "guard.cli.main")
LIMIT_SECONDS = 300
POLICY = """\
apiVersion: guard/v1
kind: DatasetPolicy
metadata: {name: resume}
spec:
  columns:
    - {match: name, action: drop}
    - {match: email, action: pseudonymise}
    - {match: note, action: {mask: {keep_last: 0}}}
  types: [{group: payment, action: drop}]
  unmatched: drop
  otherwise: keep
"""


@dataclass(slots=True)
class Counts:
    """What went wrong, over all trials."""

    different: int = 0
    miscounted: int = 0
    clear: int = 0
    twice: int = 0
    """Steps that ran a second time."""


class Trials:
    """A folder with a table, a policy and a template; ``rows`` people."""

    def __init__(self, folder: Path, *, rows: int, seed: int) -> None:
        self.folder = folder
        self.table = folder / "people.csv"
        self.policy = folder / "policy.yaml"
        self.recipe = folder / "recipe.yaml"
        write_table(self.table, rows, seed=seed)
        self.policy.write_text(POLICY)
        self.recipe.write_text(RECIPE.format(name="buyers"))
        self.empty = folder / "empty"
        self.finished("init", at=self.empty)
        self.ready = self.copy(self.empty, "ready")
        started = time.monotonic()
        self.finished(*self.ingest, at=self.ready)
        self.ingest_seconds = time.monotonic() - started
        self.wanted = self.rows(self.ready)
        self.finished("budget", "set", "people", "--epsilon", "5", "--delta", "1e-6", at=self.ready)
        undisturbed = self.copy(self.ready, "undisturbed")
        started = time.monotonic()
        self.finished("train", "submit", str(self.recipe), at=undisturbed)
        self.train_seconds = time.monotonic() - started

    @property
    def ingest(self) -> tuple[str, ...]:
        """The command that ingests the table."""
        return ("dataset", "ingest", str(self.table), "--policy", str(self.policy))

    def copy(self, template: Path, name: str) -> Path:
        """Return a copy of a data directory that nobody is using."""
        copied = self.folder / name
        shutil.copytree(template, copied)
        return copied

    def run(self, *arguments: str, at: Path) -> subprocess.Popen[str]:
        """Start one command on a data directory."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env={**os.environ, "GUARD_DATA_DIR": str(at)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finished(self, *arguments: str, at: Path) -> str:
        """Run one command to its end and return what it printed. Raises if it failed."""
        process = self.run(*arguments, at=at)
        printed, _ = process.communicate(timeout=LIMIT_SECONDS)
        if process.returncode:
            raise RuntimeError(f"guard {' '.join(arguments)} failed: {printed[-2000:]}")
        return printed

    def rows(self, at: Path) -> list[dict[str, object]]:
        """Return the rows of the dataset, read back."""
        with opened(at) as installation:
            dataset = installation.datasets.find("people")
            reader = ShardReader(
                dataset, folder=installation.dataset_folder(dataset.id), keys=installation.keyring
            )
            return [dict(row) for row in reader.rows()]


@contextmanager
def opened(at: Path) -> Iterator[Installation]:
    """Open an installation for a look."""
    installation = open_installation(at, Settings(data_dir=at).config_path)
    try:
        yield installation
    finally:
        installation.close()


def killed(trials: Trials, kills: int, *, seed: int, say: Say) -> Outcome:
    """Kill ingest and training in turn, ``kills`` times in all."""
    draw = random.Random(seed)
    counts = Counts()
    hit = {"ingest": 0, "training": 0}
    for number in range(kills):
        kind = ("ingest", "training")[number % 2]
        trial = _ingest if kind == "ingest" else _train
        hit[kind] += trial(trials, number, draw, counts)
        if (number + 1) % 5 == 0:
            say(f"{number + 1} of {kills} kills")
    return Outcome(
        measured=(
            Measured(bar="kills", value=kills),
            Measured(bar="different", value=counts.different),
            Measured(bar="miscounted", value=counts.miscounted),
            Measured(bar="clear", value=counts.clear),
        ),
        facts=(
            *(
                Fact(what=f"kills that hit {kind} before its end", value=hit[kind], unit="kills")
                for kind in hit
            ),
            Fact(what="steps that ran a second time", value=counts.twice, unit="steps"),
            Fact(what="an undisturbed ingest", value=trials.ingest_seconds, unit="s"),
            Fact(what="an undisturbed job", value=trials.train_seconds, unit="s"),
        ),
    )


def _kill(process: subprocess.Popen[str], seconds: float) -> bool:
    """Kill a process after ``seconds``; return whether it was still at work."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True
    return False


def _ingest(trials: Trials, number: int, draw: random.Random, counts: Counts) -> bool:
    at = trials.copy(trials.empty, f"trial{number}")
    hit = _kill(trials.run(*trials.ingest, at=at), draw.uniform(0.2, trials.ingest_seconds))
    counts.clear += _clear(at)
    if hit and not _registered(at):
        trials.finished(*trials.ingest, at=at)
    counts.different += trials.rows(at) != trials.wanted
    counts.clear += _clear(at)
    shutil.rmtree(at)
    return hit


def _registered(at: Path) -> bool:
    """Whether the kill came after the last step of the ingest."""
    with opened(at) as installation:
        return bool(installation.datasets.list())


def _train(trials: Trials, number: int, draw: random.Random, counts: Counts) -> bool:
    at = trials.copy(trials.ready, f"trial{number}")
    submitted = trials.finished("train", "submit", "--detach", "--json", str(trials.recipe), at=at)
    job = str(json.loads(submitted.splitlines()[-1])["job"])
    hit = _kill(trials.run("train", "resume", job, at=at), draw.uniform(0.5, trials.train_seconds))
    counts.clear += _clear(at)
    if hit and not _ended(at, job):
        trials.finished("train", "resume", job, at=at)
    counts.miscounted += not _counted(at, job, counts)
    counts.different += not _ended(at, job)
    counts.clear += _clear(at)
    shutil.rmtree(at)
    return hit


def _ended(at: Path, job: str) -> bool:
    with opened(at) as installation:
        return installation.jobs.get(job).state == "succeeded"


def _counted(at: Path, job: str, counts: Counts) -> bool:
    """Whether ledger and certificate agree on what ran, and the promise covers it."""
    with opened(at) as installation:
        held = installation.ledger.reservation(job)
        (version,) = installation.models.list()
        file = json.loads(installation.certificate_path(version.certificate).read_text())
    steps = file["certificate"]["steps"]
    counts.twice += steps["executed"] - steps["in_weights"]
    return bool(
        held.state == "settled"
        and steps["executed"] == held.written_ahead >= steps["in_weights"] > 0
        and steps["executed"] <= steps["planned"]
        and float(file["certificate"]["epsilon"]["pld"]) <= float(file["certificate"]["epsilon"]["target"])
    )


def _clear(at: Path) -> int:
    """Return how many files hold a value of the table in clear."""
    words = [word.encode() for word in CLEAR]
    return sum(
        any(word in content for word in words)
        for content in (path.read_bytes() for path in at.rglob("*") if path.is_file())
    )


def _measured(kills: int, *, seed: int, say: Say) -> Outcome:
    if not find_spec("opacus"):
        raise NotRun("opacus is not installed (extra train)")
    with tempfile.TemporaryDirectory(prefix="guard-resume-") as folder:
        return killed(Trials(Path(folder), rows=ROWS, seed=seed), kills, seed=seed, say=say)


def measure(*, seed: int, say: Say) -> Outcome:
    """As often as the issue asks."""
    return _measured(KILLS, seed=seed, say=say)


def soak(*, seed: int, say: Say) -> Outcome:
    """Much more often."""
    return _measured(SOAK_KILLS, seed=seed, say=say)
