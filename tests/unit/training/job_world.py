"""Everything around one training job, in memory: what it works with, and where it may die."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.training.example import RECIPE, example_dataset, example_rows
from guard.audit.verify import key_line
from guard.domain.dataset import Column, Dataset
from guard.domain.event import Record
from guard.domain.model import ModelVersion, Stage
from guard.domain.privacy import Budget, PrivacyUnit, Reservation, UnitKind
from guard.errors import Conflict, NotFound
from guard.jobs.job import Job
from guard.keys.envelope import Envelope
from guard.keys.keyring import Signer
from guard.ledger.filter import best_order
from guard.training.job import Desk
from guard.training.recipes.tabular import Value
from guard.training.selftest import run_selftest
from guard.training.verify import verify_certificate
from tests.fakes.ledger import MemoryLedgerStore

__all__ = ["CARD", "DATASET", "JOB", "STEPS", "TEXT", "UNITS", "Died", "World", "cached_selftest"]

UNITS, STEPS = 400, 6
CARD = b"""
  card: {purpose: a test, intended_use: in tests, out_of_scope: all else,
    owner: nobody, evaluation: none, limits: many}
"""
TEXT = RECIPE.replace(b"steps: 60", b"steps: 6, checkpoint_every: 2, spare_steps: 3") + CARD
DATASET = example_dataset(units=UNITS)
JOB = Job(id="job-1", kind="training", tenant="default", spec={"recipe": TEXT.decode(), "principal": "ada"})
SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


class Died(BaseException):
    """The process is killed here: nothing after it runs."""


class Rows:
    """Implements ``RowReader`` on rows in memory."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed

    @property
    def columns(self) -> tuple[Column, ...]:
        return DATASET.columns

    def rows(self) -> Iterator[Mapping[str, Value]]:
        yield from example_rows(self._count, seed=self._seed)


class Datasets:
    def find(self, name: str) -> Dataset:
        if name != "example":
            raise NotFound("no such dataset")
        return DATASET


class Models:
    """Implements ``ModelStore`` in memory."""

    def __init__(self) -> None:
        self.kept: list[ModelVersion] = []

    def version(self) -> int:
        return len(self.kept)

    def list(self) -> list[ModelVersion]:
        return self.kept[::-1]

    def find(self, name: str, version: int | None = None) -> ModelVersion:
        raise NotFound("not asked here")

    def add(self, version: ModelVersion, event: Record) -> None:
        if any(version.job == other.job for other in self.kept):
            raise Conflict("a model of this job exists")
        self.kept.append(version)

    def stage(self, version: ModelVersion, stage: Stage, event: Record) -> None:
        raise NotFound("not asked here")


class World:
    """Everything around a job, with a place at which it dies and a moment at which it is cancelled."""

    def __init__(self, folder: Path, *, epsilon: float = 8.0) -> None:
        self.folder = folder
        self.ledger = MemoryLedgerStore()
        self.models = Models()
        self.rows = UNITS
        self.rows_seed = 1
        self.reports: list[Mapping[str, str | int]] = []
        self.cancel_after: int | None = None
        self.dies_at: int | None = None
        self.delivered = 0
        unit = PrivacyUnit(kind=UnitKind.EXAMPLE)
        order = best_order(epsilon=epsilon, delta=1e-5)
        budget = Budget(root=DATASET.root, epsilon=epsilon, delta=1e-5, order=order, unit=unit)
        self.ledger.set_budget(budget, principal="ada")

    def deliver(self) -> None:
        self.delivered = len(self.ledger.events)

    def report(self, progress: Mapping[str, str | int]) -> bool:
        self.reports.append(progress)
        if self.dies_at is not None and len(self.reports) > self.dies_at:
            raise Died
        return self.cancel_after is not None and len(self.reports) > self.cancel_after

    def desk(self) -> Desk:
        return Desk(
            datasets=Datasets(),
            reader=lambda _: Rows(self.rows, self.rows_seed),
            ledger=self.ledger,
            models=self.models,
            report=self.report,
            deliver=self.deliver,
            sealer=Envelope(bytes(32)),
            signer=SIGNER,
            folder=self.folder / "job",
            model_path=lambda digest: self.folder / "models" / f"{digest}.onnx",
            certificate_path=lambda digest: self.folder / "models" / f"{digest}.json",
            clock=lambda: 1,
        )

    def reservation(self) -> Reservation:
        return self.ledger.reservation(JOB.id)

    def certified(self, version: ModelVersion) -> int:
        """Check the certificate; return the steps that it says were executed."""
        content = (self.folder / "models" / f"{version.certificate}.json").read_bytes()
        model = (self.folder / "models" / f"{version.digest}.onnx").read_bytes()
        assert hashlib.sha256(content).hexdigest() == version.certificate
        return verify_certificate(content, key=key_line("guard", SIGNER.public), model=model).executed


cached_selftest = cache(run_selftest)
