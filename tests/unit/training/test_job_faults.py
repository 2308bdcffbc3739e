"""Whatever ends a job, the ledger is right afterwards, and what belongs to another worker is left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn

import pytest

from guard.domain.event import Record
from guard.domain.model import ModelVersion
from guard.domain.privacy import SpendState
from guard.errors import AuditUnavailable, Conflict, LedgerConflict, TrainingError
from guard.jobs.job import Cancelled, Job, Taken
from guard.training.job import run_training
from guard.training.trainer import Trainer
from tests.unit.training.job_world import JOB, STEPS, Died, World

pytestmark = pytest.mark.usefixtures("one_selftest")


def raises(error: BaseException) -> Callable[..., NoReturn]:
    def function(*_: object, **__: object) -> NoReturn:
        raise error

    return function


FAULTS = [RuntimeError("CUDA"), MemoryError(), OSError(28, "no space"), TrainingError("a rule"), Died()]


@pytest.mark.parametrize("fault", FAULTS[:-1], ids=repr)
def test_a_fault_before_the_first_step_gives_the_whole_plan_back(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr("guard.training.job.run_selftest", raises(fault))
    with pytest.raises(type(fault)):
        run_training(JOB, world.desk())
    assert world.reservation().state is SpendState.RELEASED
    assert world.delivered == len(world.ledger.events)


@pytest.mark.parametrize("fault", FAULTS[:-1], ids=repr)
def test_a_fault_while_running_charges_what_was_written_ahead(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The stop may have been the rows' doing, so that the report keeps the whole plan."""
    monkeypatch.setattr(Trainer, "gradient", raises(fault))
    with pytest.raises(type(fault)):
        run_training(JOB, world.desk())
    held = world.reservation()
    assert (held.state, held.written_ahead, held.private_stop) == (SpendState.SETTLED, 2, True)
    assert held.reported == held.mechanism and held.charged.steps == 2


def test_a_fault_while_reading_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.training.job.read_units", raises(TrainingError("rows")))
    with pytest.raises(TrainingError):
        run_training(JOB, world.desk())
    held = world.reservation()
    assert (held.state, held.charged.steps, held.private_stop) == (SpendState.SETTLED, 0, False)


def test_a_cancel_is_no_private_stop(world: World) -> None:
    world.cancel_after = 0
    with pytest.raises(Cancelled):
        run_training(JOB, world.desk())
    assert world.reservation().private_stop is False
    assert not list((world.folder / "job").iterdir()), "nobody will go on from there"


def test_a_killed_process_leaves_everything_as_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "gradient", raises(FAULTS[-1]))
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    assert (world.reservation().state, world.reservation().written_ahead) == (SpendState.RUNNING, 2)


def test_a_log_that_is_away_stops_the_job_before_it_begins(world: World) -> None:
    desk = replace(world.desk(), deliver=raises(AuditUnavailable("away")))
    with pytest.raises(AuditUnavailable):
        run_training(JOB, desk)
    assert world.reservation().state is SpendState.RELEASED
    assert not world.reports


class Rival:
    """Another worker, which changes the reservation while this one is at work."""

    def __init__(self, world: World, then: BaseException | None = None) -> None:
        self._world = world
        self._then = then

    def report(self, progress: Mapping[str, str | int]) -> bool:
        held = self._world.reservation()
        self._world.ledger.advance(held, to=held.written_ahead + 1)
        if self._then:
            raise self._then
        return False


@pytest.mark.parametrize("then", [None, Taken(), RuntimeError("late"), Cancelled()], ids=repr)
def test_what_another_worker_goes_on_with_is_left_alone(world: World, then: Exception | None) -> None:
    """Whatever happens to the one that was thought dead: only the other one may settle."""
    desk = replace(world.desk(), report=Rival(world, then).report)
    with pytest.raises(type(then) if then else LedgerConflict):
        run_training(JOB, desk)
    assert (world.reservation().state, world.reservation().written_ahead) == (SpendState.RUNNING, 3)
    assert not world.models.kept


def test_a_job_that_was_taken_is_not_ended_though_nothing_has_moved_yet(world: World) -> None:
    desk = replace(world.desk(), report=raises(Taken()))
    with pytest.raises(Taken):
        run_training(JOB, desk)
    assert (world.reservation().state, world.reservation().written_ahead) == (SpendState.RUNNING, 2)


@pytest.mark.parametrize("place", ["to_onnx", "certificate_of", "sign_certificate", "write_durably"])
def test_after_the_last_step_nothing_is_trained_again(
    world: World, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A full disk must not cost the budget a second time."""
    with monkeypatch.context() as patched:
        patched.setattr(f"guard.training.job.{place}", raises(OSError(28, "no space")))
        with pytest.raises(OSError, match="no space"):
            run_training(JOB, world.desk())
    assert (world.reservation().state, len(world.reports)) == (SpendState.SETTLED, 3)
    monkeypatch.setattr(Trainer, "run", raises(AssertionError("trained again")))
    version = run_training(JOB, world.desk())
    assert world.certified(version) == STEPS and len(world.reports) == 3


def test_a_job_that_was_settled_halfway_makes_no_model(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.dies_at = 1
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    world.dies_at = None
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "gradient", raises(RuntimeError("broken")))
        with pytest.raises(RuntimeError):
            run_training(JOB, world.desk())
    with pytest.raises(TrainingError, match="settled before its last step"):
        run_training(JOB, world.desk())
    assert not world.models.kept


def test_a_settled_job_without_its_checkpoint_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("guard.training.job.to_onnx", raises(OSError(28, "no space")))
        with pytest.raises(OSError, match="no space"):
            run_training(JOB, world.desk())
    (world.folder / "job" / "checkpoint").unlink()
    with pytest.raises(TrainingError, match="its checkpoint is gone"):
        run_training(JOB, world.desk())


def test_another_version_of_the_code_does_not_go_on_with_a_checkpoint(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.dies_at = 0
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    world.dies_at = None
    monkeypatch.setattr("guard.training.plan.code_digest", lambda: "sha256:another")
    with pytest.raises(TrainingError, match="not of this plan"):
        run_training(JOB, world.desk())
    assert (world.reservation().state, world.reservation().written_ahead) == (SpendState.SETTLED, 2)


@pytest.mark.parametrize("state", [SpendState.RELEASED, SpendState.BURNT])
def test_a_reservation_that_is_over_is_not_revived(world: World, state: SpendState) -> None:
    world.dies_at = 0
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    world.dies_at = None
    if state is SpendState.BURNT:
        world.ledger.burn(world.reservation(), reason="lost")
        job = JOB
    else:
        job = replace(JOB, id="job-2")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("guard.training.job.run_selftest", raises(RuntimeError()))
            with pytest.raises(RuntimeError):
                run_training(job, world.desk())
    with pytest.raises(TrainingError, match=f"was {state}; submit it again"):
        run_training(job, world.desk())
    assert world.ledger.reservation(job.id).state is state


def test_two_jobs_of_one_recipe_that_end_at_once_are_two_versions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = world.models.add

    def beaten(version: ModelVersion, event: Record) -> None:
        monkeypatch.setattr(world.models, "add", numbered)
        numbered(replace(version, job="another"), event)
        numbered(version, event)

    def numbered(version: ModelVersion, event: Record) -> None:
        if any(version.version == other.version for other in world.models.kept):
            raise Conflict("that number is taken")
        real(version, event)

    monkeypatch.setattr(world.models, "add", beaten)
    assert run_training(JOB, world.desk()).version == 2
    assert sorted(version.version for version in world.models.kept) == [1, 2]


def test_progress_holds_figures_of_the_plan_alone(world: World) -> None:
    run_training(JOB, world.desk())
    assert [set(report) for report in world.reports] == [{"step", "steps", "executed", "epsilon"}] * 3
    again: list[Mapping[str, str | int]] = list(world.reports)
    world.reports.clear()
    world.rows_seed = 99
    run_training(replace(JOB, id="job-2"), world.desk())
    assert world.reports == again, "other rows, the same figures"


def test_a_job_of_another_dataset_is_unknown(world: World) -> None:
    spec = {**JOB.spec, "recipe": JOB.spec["recipe"].replace("dataset: example", "dataset: other")}
    stranger: Job = replace(JOB, spec=spec)
    with pytest.raises(Exception, match="no such dataset"):
        run_training(stranger, world.desk())
