"""One training job, from a recipe to a registered model.

::

    1 plan      recipe + dataset → frozen plan
    2 reserve   the whole plan out of the budget, recorded before anything runs
    3 selftest  does the trainer do what the plan says?
    4 start     from here on every step counts
    5 read      decrypt and encode the rows, in memory only
    6 train     write ahead, step, checkpoint
    7 settle    what was written ahead stays charged, the rest goes back
    8 certify   ONNX file and signed certificate
    9 register  the model version, in stage draft

A job that is run again after a crash finds its reservation and its checkpoint and goes on.
Nothing that is computed on private rows leaves but the model itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from guard.datasets.reader import RowReader
from guard.datasets.shards import write_durably
from guard.domain.canonical import Json
from guard.domain.dataset import Dataset
from guard.domain.event import Record
from guard.domain.model import ModelVersion, Stage
from guard.domain.privacy import Reservation, SpendState
from guard.errors import GuardError, LedgerConflict, NotFound, TrainingError
from guard.jobs.job import Cancelled, Job
from guard.ledger.filter import spent_epsilon
from guard.ledger.store import LedgerStore
from guard.registry.cards import ESTABLISHED, check_card
from guard.registry.versions import ModelStore, registered
from guard.training.accounting import epsilon_pld
from guard.training.certificate import CertificateSigner, certificate_of, sign_certificate
from guard.training.checkpoint import Sealer, read_checkpoint, write_checkpoint
from guard.training.checks import SelfTest
from guard.training.export import to_onnx
from guard.training.plan import TrainingPlan, make_plan
from guard.training.recipe import load_recipe
from guard.training.recipes.tabular import weights_of
from guard.training.selftest import run_selftest
from guard.training.state import TrainerState
from guard.training.trainer import Progress, Trainer, model_for
from guard.training.units import read_units

__all__ = ["Desk", "card_of", "run_training"]

CHECKPOINT = "checkpoint"


class Datasets(Protocol):
    """Where datasets are found."""

    def find(self, name: str) -> Dataset:
        """Return a dataset by name or id. Raises ``NotFound``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that a job works with.

    ``report``: stores progress and says whether somebody asked to cancel. ``deliver``:
    brings the events so far into the log, durably. ``folder``: of this job alone.
    ``clock``: µs since 1970.
    """

    datasets: Datasets
    reader: Callable[[Dataset], RowReader]
    ledger: LedgerStore
    models: ModelStore
    report: Callable[[Mapping[str, str | int]], bool]
    deliver: Callable[[], None]
    sealer: Sealer
    signer: CertificateSigner
    folder: Path
    model_path: Callable[[str], Path]
    certificate_path: Callable[[str], Path]
    clock: Callable[[], int]


def run_training(job: Job, desk: Desk) -> ModelVersion:
    """Run ``job`` to its end and return the registered model.

    Raises ``Cancelled``, ``BudgetExhausted``, and ``GuardError`` for whatever else stops
    it; what may have run stays charged, what cannot have run is given back.
    """
    registered_before = [version for version in desk.models.list() if version.job == job.id]
    if registered_before:
        return registered_before[0]  # it died after its last step and before it could say so
    recipe = load_recipe(job.spec["recipe"].encode(), file="recipe.yaml")
    check_card(dict(recipe.card), given=ESTABLISHED)
    dataset = desk.datasets.find(recipe.dataset)
    plan = make_plan(recipe, dataset)  # 1
    held = _reserved(job, plan, desk)  # 2
    try:
        selftest = run_selftest(plan)  # 3
        if not selftest.passed:
            raise TrainingError(f"the self-test failed: {', '.join(selftest.failed)}")
        held = _started(held, desk)  # 4
        state, held = _trained(job, plan, held, dataset, desk)  # 5 and 6
    except LedgerConflict:
        # Another worker goes on with this job: the reservation is not ours to end.
        raise
    except (GuardError, Cancelled):
        _give_back(held, desk)
        raise
    if held.state is SpendState.RUNNING:
        held = desk.ledger.settle(held, private_stop=False)  # 7
    version = _certified(job, plan, state, selftest, desk)  # 8
    desk.models.add(version, registered(version, job.spec["principal"]))  # 9
    desk.deliver()
    (desk.folder / CHECKPOINT).unlink(missing_ok=True)
    return version


def _reserved(job: Job, plan: TrainingPlan, desk: Desk) -> Reservation:
    """Return the job's reservation, made now or by an attempt that crashed."""
    try:
        held = desk.ledger.reservation(job.id)
    except NotFound:
        held = desk.ledger.reserve(
            reservation_id=job.id,
            root=plan.root,
            job=job.id,
            unit=plan.unit,
            mechanism=plan.mechanism,
            now=desk.clock(),
        )
    if held.mechanism != plan.mechanism or held.root != plan.root:
        raise TrainingError("the recipe or the dataset changed since the job reserved its budget")
    if held.state in (SpendState.RELEASED, SpendState.BURNT):
        raise TrainingError(f"the job's reservation was {held.state}; submit it again")
    desk.deliver()
    return held


def _started(held: Reservation, desk: Desk) -> Reservation:
    if held.state is not SpendState.RESERVED:
        return held
    started = desk.ledger.start(held)
    desk.deliver()
    return started


def _trained(
    job: Job, plan: TrainingPlan, held: Reservation, dataset: Dataset, desk: Desk
) -> tuple[TrainerState, Reservation]:
    """Run what is left of the plan; return the state and the reservation as it stands then."""
    desk.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    watch = _Watch(job, plan, held, desk)
    before = watch.kept()
    if held.state is SpendState.SETTLED:
        if job.cancelling:
            raise Cancelled
        if before is None:
            raise TrainingError("the job was settled, but its checkpoint is gone; submit it again")
        # Steps that were lost in a crash are charged, though no checkpoint knows of them.
        return replace(before, executed=held.written_ahead), held
    units = read_units(plan, desk.reader(dataset).rows())
    trainer = Trainer(plan=plan, units=units, model=model_for(plan.recipe))
    trainer.resume(before, executed=held.written_ahead)
    state = trainer.run(watch)
    if watch.cancelled():
        raise Cancelled
    if not state.done:
        raise TrainingError("no step is left that is paid for; submit the job again")
    return state, watch.held


class _Watch:
    """Implements ``training.trainer.Watch`` for a job."""

    def __init__(self, job: Job, plan: TrainingPlan, held: Reservation, desk: Desk) -> None:
        self._job = job
        self._plan = plan
        self._desk = desk
        self._asked = job.cancelling
        self.held = held

    def kept(self) -> TrainerState | None:
        """Return the checkpoint of an earlier attempt."""
        return read_checkpoint(
            self._desk.folder / CHECKPOINT,
            plan=self._plan.digest,
            job=self._job.id,
            sealer=self._desk.sealer,
        )

    def ahead(self, executed: int) -> None:
        """Make durable that steps up to ``executed`` may have run."""
        self.held = self._desk.ledger.advance(self.held, to=executed)

    def keep(self, state: TrainerState) -> None:
        """Take a checkpoint."""
        write_checkpoint(
            self._desk.folder / CHECKPOINT,
            state,
            plan=self._plan.digest,
            job=self._job.id,
            sealer=self._desk.sealer,
        )

    def progress(self, progress: Progress) -> None:
        """Store how far it is: figures of the plan, nothing of the rows."""
        self._asked = self._desk.report(
            {
                "step": progress.done,
                "steps": progress.steps,
                "executed": progress.executed,
                "epsilon": f"{progress.epsilon:.3f}",
            }
        )

    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._asked


def _certified(
    job: Job, plan: TrainingPlan, state: TrainerState, selftest: SelfTest, desk: Desk
) -> ModelVersion:
    """Write the model and its certificate, and return the version that names both."""
    model = to_onnx(plan, weights_of(plan.recipe, state))
    digest = hashlib.sha256(model).hexdigest()
    certificate = certificate_of(
        plan, state, selftest, job=job.id, model=digest, issued=desk.clock(), ledger=_total(plan, desk)
    )
    signed = sign_certificate(certificate, desk.signer)
    proof = hashlib.sha256(signed).hexdigest()
    for path, content in ((desk.model_path(digest), model), (desk.certificate_path(proof), signed)):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(path, content)
    return _version(job, plan, state, digest=digest, certificate=proof, desk=desk)


def _total(plan: TrainingPlan, desk: Desk) -> dict[str, Json]:
    """Return what the budget says after this job: its cap, what is spent, what is reported."""
    budget = desk.ledger.budget(plan.root)
    reserved = desk.ledger.reservations(plan.root)
    return {
        "budget": {"delta": repr(budget.delta), "epsilon": repr(budget.epsilon), "order": budget.order},
        "reported": repr(epsilon_pld([item.reported for item in reserved], delta=budget.delta)),
        "spent": repr(spent_epsilon(budget, reserved)),
    }


def _give_back(held: Reservation, desk: Desk) -> None:
    """Charge what may have run and nothing else, as the ledger knows it now."""
    now = desk.ledger.reservation(held.id)
    if now.state is SpendState.RESERVED:
        desk.ledger.release(now, reason="the job ended before its first step")
    elif now.state is SpendState.RUNNING:
        desk.ledger.settle(now, private_stop=False)
    desk.deliver()


def _version(
    job: Job,
    plan: TrainingPlan,
    state: TrainerState,
    *,
    digest: str,
    certificate: str,
    desk: Desk,
) -> ModelVersion:
    earlier = [version.version for version in desk.models.list() if version.name == plan.recipe.name]
    return ModelVersion(
        name=plan.recipe.name,
        version=max(earlier, default=0) + 1,
        tenant=job.tenant,
        digest=digest,
        certificate=certificate,
        dataset=plan.dataset,
        job=job.id,
        stage=Stage.DRAFT,
        card=card_of(plan, state),
        created=desk.clock(),
    )


def card_of(plan: TrainingPlan, state: TrainerState) -> dict[str, str]:
    """Return the recipe's card with what the job established."""
    privacy = plan.recipe.privacy
    return {
        **dict(plan.recipe.card),
        "privacy": f"epsilon {plan.spent(state.executed):.3f}, delta {privacy.delta:g}, "
        f"unit {plan.unit.kind}, relation {plan.relation}",
        "data": f"{plan.dataset}, {plan.units} units",
    }


def ended(job: Job, end: str, reason: str) -> Record:
    """Return the event of a job's end."""
    return Record(
        tenant=job.tenant, type="job.ended", fields={"end": end, "job": job.id, "reason": reason[:200]}
    )
