"""The shipped recipe on the Adult census table: what a private model reaches on rows it never saw.

The table is public, and a fifth of it is held out by each seed. A run is everything from
rows to a certified model: plan, encoding, self-test, training, export.
"""

from __future__ import annotations

import csv
import gzip
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import guard.training
from benchmarks.outcome import Fact, Measured, NotRun, Outcome, Say
from guard.domain.dataset import Column, ColumnKind, Dataset
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.training.accounting import epsilon_pld, epsilon_prv
from guard.training.export import to_onnx
from guard.training.plan import TrainingPlan, make_plan
from guard.training.recipe import load_recipe
from guard.training.recipes.tabular import encode, label_index, probabilities, weights_of
from guard.training.selftest import run_selftest
from guard.training.state import TrainerState
from guard.training.trainer import Progress, Trainer, model_for
from guard.training.units import read_units

__all__ = ["DATA", "RECIPE", "Unwatched", "adult_rows", "measure", "run"]

DATA = Path(__file__).parents[3] / "shared" / "data" / "training" / "adult.csv.gz"
RECIPE = Path(guard.training.__file__).parent / "recipes" / "adult.yaml"
SEEDS = 3
HELD_OUT = 0.2
POSITIVE = ">50K"
Row = Mapping[str, str]


class Unwatched:
    """A watch for runs that nobody pays for."""

    def ahead(self, executed: int) -> None:
        """Nothing is written."""

    def keep(self, state: TrainerState) -> None:
        """Nothing is kept."""

    def progress(self, progress: Progress) -> None:
        """Nobody listens."""

    def cancelled(self) -> bool:
        """Nobody cancels."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run reached. ``seconds``: all of it; ``training``: the steps alone."""

    plan: TrainingPlan
    accuracy: float
    f1: float
    seconds: float
    training: float


def adult_rows() -> list[Row]:
    """Return the table. Raises ``NotRun`` where it is not there."""
    if not DATA.is_file():
        raise NotRun("the open data is not there: ../shared/data/training/adult.csv.gz")
    with gzip.open(DATA, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def measure(*, seed: int, say: Say) -> Outcome:
    """Train three times, each on another four fifths of the rows."""
    rows = adult_rows()
    measured: list[Measured] = []
    runs: list[Run] = []
    for number in range(SEEDS):
        found = run(rows, seed=seed + number)
        runs.append(found)
        case = f"seed {seed + number}"
        say(f"{case}: accuracy {found.accuracy:.4f}, F1 {found.f1:.4f}, {found.seconds:.1f} s")
        measured += [
            Measured(bar="accuracy", case=case, value=100 * found.accuracy),
            Measured(bar="f1", case=case, value=found.f1),
            Measured(bar="seconds", case=case, value=found.seconds),
        ]
    mechanism = runs[0].plan.mechanism
    return Outcome(
        measured=tuple(measured),
        facts=(
            Fact(what="epsilon by PLD", value=epsilon_pld([mechanism], delta=1e-5), unit="at delta 1e-5"),
            Fact(what="epsilon by PRV", value=epsilon_prv([mechanism], delta=1e-5), unit="at delta 1e-5"),
            Fact(what="rows trained on", value=runs[0].plan.units, unit="rows"),
            Fact(what="steps alone", value=statistics.median(r.training for r in runs), unit="s"),
        ),
    )


def run(rows: Sequence[Row], *, seed: int) -> Run:
    """Train on what ``seed`` does not hold out, and count on what it does."""
    order = np.random.default_rng(seed).permutation(len(rows))
    cut = int(len(rows) * HELD_OUT)
    held_out, known = [rows[at] for at in order[:cut]], [rows[at] for at in order[cut:]]
    started = time.monotonic()
    plan = make_plan(load_recipe(RECIPE.read_bytes(), file=RECIPE.name), _dataset(known))
    units = read_units(plan, known)
    if not run_selftest(plan).passed:
        raise RuntimeError("the self-test failed")
    at_training = time.monotonic()
    state = Trainer(plan=plan, units=units, model=model_for(plan.recipe)).run(Unwatched())
    training = time.monotonic() - at_training
    weights = weights_of(plan.recipe, state)
    to_onnx(plan, weights)
    seconds = time.monotonic() - started
    found = probabilities(encode(plan.recipe, held_out), weights).argmax(axis=1)
    truth = np.array([label_index(plan.recipe)[row[plan.recipe.target.column]] for row in held_out])
    positive = label_index(plan.recipe)[POSITIVE]
    hits = int(((found == positive) & (truth == positive)).sum())
    f1 = 2 * hits / int((found == positive).sum() + (truth == positive).sum())
    return Run(plan=plan, accuracy=float((found == truth).mean()), f1=f1, seconds=seconds, training=training)


def _dataset(rows: Sequence[Row]) -> Dataset:
    return Dataset(
        id="adult",
        name="adult",
        tenant="default",
        identity="adult",
        root="adult",
        parent=None,
        unit=PrivacyUnit(kind=UnitKind.EXAMPLE),
        units=len(rows),
        rows=len(rows),
        columns=tuple(Column(name=name, kind=ColumnKind.TEXT) for name in rows[0]),
        transforms=(),
        shards=(),
        purpose="measuring",
        licence="CC-BY-4.0",
        policy="",
        created=0,
    )
