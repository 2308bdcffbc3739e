"""One short run with its certificate, made once and only read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.training.example import example_plan, example_rows
from guard.audit.verify import key_line
from guard.domain.canonical import Json
from guard.keys.keyring import Signer
from guard.training.certificate import certificate_of, sign_certificate
from guard.training.checks import SelfTest
from guard.training.export import to_onnx
from guard.training.plan import TrainingPlan, make_plan
from guard.training.recipe import load_recipe
from guard.training.recipes.tabular import weights_of
from guard.training.selftest import run_selftest
from guard.training.state import TrainerState
from guard.training.trainer import Progress, Trainer, model_for
from guard.training.units import read_units
from tests.unit.training.job_world import DATASET, TEXT, World, cached_selftest


class Unwatched:
    """Nobody looks."""

    def ahead(self, executed: int) -> None:
        pass

    def keep(self, state: TrainerState) -> None:
        pass

    def progress(self, progress: Progress) -> None:
        pass

    def cancelled(self) -> bool:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Everything that a job ends with."""

    plan: TrainingPlan
    state: TrainerState
    selftest: SelfTest
    onnx: bytes
    signer: Signer
    certificate: Json
    file: bytes

    @property
    def key(self) -> str:
        """The verifier key."""
        return key_line("guard", self.signer.public)


@pytest.fixture(scope="session")
def trained() -> Trained:
    """Return a model trained on made-up rows."""
    plan = example_plan(units=2000, steps=20)
    units = read_units(plan, example_rows(2000, seed=8))
    state = Trainer(plan=plan, units=units, model=model_for(plan.recipe)).run(Unwatched())
    selftest = run_selftest(plan)
    onnx = to_onnx(plan, weights_of(plan.recipe, state))
    signer = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    certificate = certificate_of(
        plan,
        state,
        selftest,
        job="job-1",
        model=hashlib.sha256(onnx).hexdigest(),
        issued=1_764_000_000_000_000,
    )
    return Trained(
        plan=plan,
        state=state,
        selftest=selftest,
        onnx=onnx,
        signer=signer,
        certificate=certificate,
        file=sign_certificate(certificate, signer),
    )


@pytest.fixture
def one_selftest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test the same plan's trainer once for all jobs, before a test breaks it."""
    cached_selftest(make_plan(load_recipe(TEXT), DATASET))
    monkeypatch.setattr("guard.training.job.run_selftest", cached_selftest)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
