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
from contextlib import suppress
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
from guard.errors import AuditUnavailable, Conflict, LedgerConflict, NotFound, TrainingError
from guard.jobs.job import Cancelled, Job, Taken
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

    Raises ``Cancelled``, ``Taken``, ``BudgetExhausted``, and whatever else stops it; what
    may have run stays charged, what cannot have run is given back. Each event is in the
    log before what it allows; those after the last step are left to whoever called.
    """
    registered_before = [version for version in desk.models.list() if version.job == job.id]
    if registered_before:
        _forget(desk)
        return registered_before[0]  # it died after its last step and before it could say so
    recipe = load_recipe(job.spec["recipe"].encode(), file="recipe.yaml")
    check_card(dict(recipe.card), given=ESTABLISHED)
    dataset = desk.datasets.find(recipe.dataset)
    plan = make_plan(recipe, dataset)  # 1
    watch = _Watch(job, plan, _reserved(job, plan, desk), desk)  # 2
    try:
        watch.check()
        desk.deliver()
        selftest = run_selftest(plan)  # 3
        if not selftest.passed:
            raise TrainingError(f"the self-test failed: {', '.join(selftest.failed)}")
        watch.start()  # 4
        state = _trained(watch, dataset)  # 5 and 6
    except (LedgerConflict, Taken):
        # Another worker goes on with this job: the reservation is not ours to end.
        raise
    except Cancelled:
        watch.give_back(private_stop=False)
        _forget(desk)
        raise
    except Exception:
        watch.give_back(private_stop=True)
        raise
    watch.settle()  # 7
    version = _registered(_certified(job, plan, state, selftest, desk), job, desk)  # 8 and 9
    _forget(desk)
    return version


def _forget(desk: Desk) -> None:
    """Remove what nobody will go on from."""
    (desk.folder / CHECKPOINT).unlink(missing_ok=True)


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
    if held.state in (SpendState.RELEASED, SpendState.BURNT):
        raise TrainingError(f"the job's reservation was {held.state}; submit it again")
    return held


def _trained(watch: _Watch, dataset: Dataset) -> TrainerState:
    """Run what is left of the plan and return the state that the model is made of."""
    plan, desk = watch.plan, watch.desk
    desk.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    before = watch.kept()
    if watch.held.state is SpendState.SETTLED:
        return _settled(watch, before)
    units = read_units(plan, desk.reader(dataset).rows())
    trainer = Trainer(plan=plan, units=units, model=model_for(plan.recipe))
    trainer.resume(before, executed=watch.held.written_ahead)
    state = trainer.run(watch)
    if watch.cancelled():
        raise Cancelled
    if not state.done:
        raise TrainingError("no step is left that is paid for; submit the job again")
    return state


def _settled(watch: _Watch, before: TrainerState | None) -> TrainerState:
    """Return where a job stood that was settled by an attempt that could not register it."""
    if watch.cancelled():
        raise Cancelled
    if before is None:
        raise TrainingError("the job was settled, but its checkpoint is gone; submit it again")
    paid = watch.held.written_ahead < watch.plan.mechanism.steps
    if paid and before.done < watch.plan.recipe.schedule.steps:
        raise TrainingError("the job was settled before its last step; submit it again")
    # Steps that were lost in a crash are charged, though no checkpoint knows of them.
    return replace(before, executed=watch.held.written_ahead)


class _Watch:
    """Implements ``training.trainer.Watch`` for a job, and holds its reservation."""

    def __init__(self, job: Job, plan: TrainingPlan, held: Reservation, desk: Desk) -> None:
        self._job = job
        self._asked = job.cancelling
        self.plan = plan
        self.desk = desk
        self.held = held

    def check(self) -> None:
        """Refuse to run a plan other than the one that was paid for."""
        if self.held.mechanism != self.plan.mechanism or self.held.root != self.plan.root:
            raise TrainingError("the recipe, the dataset or Guard changed since the job reserved its budget")

    def start(self) -> None:
        """Say that steps may run from here on."""
        if self.held.state is SpendState.RESERVED:
            self.held = self.desk.ledger.start(self.held)
            self.desk.deliver()

    def settle(self) -> None:
        """Charge what may have run, and nothing else."""
        if self.held.state is SpendState.RUNNING:
            self.held = self.desk.ledger.settle(self.held, private_stop=False)

    def give_back(self, *, private_stop: bool) -> None:
        """Give back what cannot have run, unless somebody else has changed the reservation.

        ``private_stop``: whether what ended the job may have been the rows' doing.
        """
        with suppress(LedgerConflict, AuditUnavailable):
            if self.held.state is SpendState.RESERVED:
                self.desk.ledger.release(self.held, reason="the job ended before its first step")
            elif self.held.state is SpendState.RUNNING:
                ran = self.held.written_ahead > 0
                self.desk.ledger.settle(self.held, private_stop=ran and private_stop)
            self.desk.deliver()

    def kept(self) -> TrainerState | None:
        """Return the checkpoint of an earlier attempt."""
        return read_checkpoint(
            self.desk.folder / CHECKPOINT,
            plan=self.plan.digest,
            job=self._job.id,
            sealer=self.desk.sealer,
        )

    def ahead(self, executed: int) -> None:
        """Make durable that steps up to ``executed`` may have run."""
        self.held = self.desk.ledger.advance(self.held, to=executed)

    def keep(self, state: TrainerState) -> None:
        """Take a checkpoint."""
        write_checkpoint(
            self.desk.folder / CHECKPOINT,
            state,
            plan=self.plan.digest,
            job=self._job.id,
            sealer=self.desk.sealer,
        )

    def progress(self, progress: Progress) -> None:
        """Store how far it is: figures of the plan, nothing of the rows."""
        self._asked = self.desk.report(
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


def _registered(version: ModelVersion, job: Job, desk: Desk) -> ModelVersion:
    """Register a version; if another job's has taken its number meanwhile, as the next one."""
    try:
        desk.models.add(version, registered(version, job.spec["principal"]))
    except Conflict:
        number = _next_version(version.name, desk)
        if number == version.version:
            raise
        return _registered(replace(version, version=number), job, desk)
    return version


def _next_version(name: str, desk: Desk) -> int:
    earlier = [version.version for version in desk.models.list() if version.name == name]
    return max(earlier, default=0) + 1


def _version(
    job: Job,
    plan: TrainingPlan,
    state: TrainerState,
    *,
    digest: str,
    certificate: str,
    desk: Desk,
) -> ModelVersion:
    return ModelVersion(
        name=plan.recipe.name,
        version=_next_version(plan.recipe.name, desk),
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
