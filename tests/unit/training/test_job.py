"""One job against the ports: its order, its end in every state, and every moment it may die at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.training.broken import BROKEN
from guard.domain.model import Stage
from guard.domain.privacy import SpendState
from guard.errors import BudgetExhausted, ConfigurationError, NotFound, TrainingError
from guard.jobs.job import Cancelled
from guard.training.accounting import epsilon_pld
from guard.training.job import run_training
from guard.training.plan import make_plan
from guard.training.recipe import load_recipe
from guard.training.selftest import run_selftest
from tests.unit.training.job_world import CARD, DATASET, JOB, STEPS, TEXT, UNITS, Died, World

pytestmark = pytest.mark.usefixtures("one_selftest")


def test_a_job_ends_with_a_model_a_certificate_and_a_settled_budget(world: World) -> None:
    version = run_training(JOB, world.desk())
    assert world.models.kept == [version]
    assert (version.name, version.version, version.stage) == ("example", 1, Stage.DRAFT)
    assert world.certified(version) == STEPS
    held = world.reservation()
    assert (held.state, held.written_ahead) == (SpendState.SETTLED, STEPS)
    assert [event.type for event in world.ledger.events] == [
        "budget.set", "budget.reserved", "budget.running", "budget.settled",
    ]  # fmt: skip
    assert world.delivered == 3, "what allows steps to run is in the log; the worker brings the rest"
    assert [report["step"] for report in world.reports] == [2, 4, 6]
    assert not list((world.folder / "job").iterdir()), "no checkpoint is left"


def dies_in(monkeypatch: pytest.MonkeyPatch, function: str, world: World) -> None:
    """Run the job until it dies in a function that it calls."""

    def dies(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(f"guard.training.job.{function}", dies)
        with pytest.raises(Died):
            run_training(JOB, world.desk())


@pytest.mark.parametrize("dies_at", [0, 1, 2])
def test_a_job_that_dies_goes_on_from_its_checkpoint(world: World, dies_at: int) -> None:
    world.dies_at = dies_at
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    assert world.reservation().state is SpendState.RUNNING, "visibly open"
    world.dies_at = None
    version = run_training(JOB, world.desk())
    assert world.certified(version) == world.reservation().written_ahead == STEPS


def test_steps_that_were_paid_for_and_lost_are_certified_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies_in(monkeypatch, "write_checkpoint", world)
    assert world.reservation().written_ahead == 2
    assert world.certified(run_training(JOB, world.desk())) == STEPS + 2


def test_a_job_that_died_after_it_was_settled_certifies_every_step_that_is_charged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It also lost its last steps before, and had none left to make up for them."""

    world.dies_at = 1
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    world.dies_at = None
    held = world.ledger.advance(world.reservation(), to=STEPS + 3)
    dies_in(monkeypatch, "to_onnx", world)
    assert world.reservation().state is SpendState.SETTLED
    assert world.certified(run_training(JOB, world.desk())) == held.written_ahead == STEPS + 3


def test_a_job_that_died_after_it_was_registered_finds_its_model(world: World) -> None:
    version = run_training(JOB, world.desk())
    assert run_training(JOB, world.desk()) == version
    assert world.models.kept == [version]


def test_a_cancelled_job_is_charged_what_may_have_run(world: World) -> None:
    world.cancel_after = 0
    with pytest.raises(Cancelled):
        run_training(JOB, world.desk())
    held = world.reservation()
    assert (held.state, held.written_ahead) == (SpendState.SETTLED, 2)
    assert not world.models.kept


def test_a_cancelled_job_that_died_before_it_could_say_so_makes_no_model(world: World) -> None:
    world.cancel_after = 0
    for _ in range(2):
        with pytest.raises(Cancelled):
            run_training(replace(JOB, cancelling=bool(world.reports)), world.desk())
    assert world.reservation().written_ahead == 2
    assert not world.models.kept


def test_a_job_that_is_cancelled_before_its_first_step_is_charged_nothing(world: World) -> None:
    with pytest.raises(Cancelled):
        run_training(replace(JOB, cancelling=True), world.desk())
    assert world.reservation().charged.steps == 0


def test_a_job_over_the_budget_is_refused_with_what_would_fit(tmp_path: Path) -> None:
    world = World(tmp_path, epsilon=1.5)
    with pytest.raises(BudgetExhausted) as caught:
        run_training(JOB, world.desk())
    plan = make_plan(load_recipe(TEXT), DATASET)
    assert 0 <= caught.value.largest < plan.mechanism.steps
    fits = replace(plan.mechanism, steps=caught.value.largest)
    assert epsilon_pld([fits], delta=1e-5) <= 1.5
    assert world.ledger.events[-1].type == "budget.refused"
    assert not world.reports, "nothing ran"


def test_a_dataset_that_changed_is_found_before_a_step_runs(world: World) -> None:
    world.rows = UNITS - 1
    with pytest.raises(TrainingError, match="changed after registration"):
        run_training(JOB, world.desk())
    assert world.reservation().charged.steps == 0
    assert not world.models.kept


def test_a_trainer_that_fails_its_test_never_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "guard.training.job.run_selftest", lambda plan: run_selftest(plan, parts=BROKEN["noise x 0.8"])
    )
    with pytest.raises(TrainingError, match="the self-test failed: noise"):
        run_training(JOB, world.desk())
    assert world.reservation().state is SpendState.RELEASED
    assert not world.reports


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"GUARD" * 100])
def test_a_checkpoint_that_was_tampered_with_ends_the_job_and_is_charged(
    world: World, content: bytes
) -> None:
    world.dies_at = 0
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    world.dies_at = None
    (world.folder / "job" / "checkpoint").write_bytes(content)
    with pytest.raises(TrainingError, match="nothing is loaded"):
        run_training(JOB, world.desk())
    assert (world.reservation().state, world.reservation().written_ahead) == (SpendState.SETTLED, 2)


def test_a_changed_recipe_does_not_take_over_a_reservation(world: World) -> None:
    world.dies_at = 0
    with pytest.raises(Died):
        run_training(JOB, world.desk())
    world.dies_at = None
    changed = replace(
        JOB, spec={**JOB.spec, "recipe": JOB.spec["recipe"].replace("epsilon: 2", "epsilon: 3")}
    )
    with pytest.raises(TrainingError, match="changed since the job reserved"):
        run_training(changed, world.desk())
    assert (world.reservation().state, world.reservation().written_ahead) == (SpendState.SETTLED, 2)


def test_a_recipe_without_a_card_is_refused_before_anything_is_reserved(world: World) -> None:
    bare = replace(JOB, spec={**JOB.spec, "recipe": TEXT.replace(CARD, b"").decode()})
    with pytest.raises(ConfigurationError, match="the model card lacks"):
        run_training(bare, world.desk())
    with pytest.raises(NotFound):
        world.reservation()


def test_a_second_model_of_a_name_is_the_next_version(world: World) -> None:
    assert run_training(JOB, world.desk()).version == 1
    assert run_training(replace(JOB, id="job-2"), world.desk()).version == 2
