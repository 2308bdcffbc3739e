"""The self-test: right trainers pass, whatever their plan; each broken one is caught."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.training.broken import BROKEN
from benchmarks.training.example import example_dataset, example_plan, example_recipe
from guard.training.checks import CHECKS, Check, SelfTest
from guard.training.plan import TrainingPlan, make_plan
from guard.training.selftest import run_selftest

CAUGHT_BY = {
    "no noise": "noise audit",
    "half the noise": "noise",
    "noise x 0.8": "noise",
    "clips the mean": "sensitivity audit",
    "clips each layer": "sensitivity",
    "shuffled batches": "sampling",
    "reuses noise": "noise",
    "divides by the actual size": "division",
    "noise from a seed": "noise",
    "lets a NaN through": "sensitivity",
    "samples more often": "sampling",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_trainer_is_caught(fault: str) -> None:
    found = run_selftest(example_plan(steps=30), parts=BROKEN[fault])
    assert not found.passed
    assert set(CAUGHT_BY[fault].split()) <= set(found.failed), found


def planned(*, units: int, batch: int, steps: int = 30, records: int | None = None) -> TrainingPlan:
    recipe = example_recipe()
    schedule = replace(recipe.schedule, expected_batch=batch, sample_rate=None, steps=steps)
    privacy = replace(recipe.privacy, records_per_user=records)
    dataset = example_dataset(units=units, user=records is not None)
    return make_plan(replace(recipe, schedule=schedule, privacy=privacy), dataset)


@pytest.mark.parametrize(
    "plan",
    [
        example_plan(),
        planned(units=500, batch=499),
        planned(units=500, batch=500, steps=5),
        planned(units=9000, batch=3),
        planned(units=1000, batch=100, records=3),
        planned(units=1000, batch=10, steps=1),
    ],
    ids=["example", "499 of 500", "everybody", "few", "users", "one step"],
)
def test_a_right_trainer_passes(plan: TrainingPlan) -> None:
    found = run_selftest(plan)
    assert found.passed, found
    assert found.plan == plan.digest
    assert tuple(check.name for check in found.checks) == CHECKS


def test_what_was_measured_is_told() -> None:
    figures = {check.name: check.figures for check in run_selftest(example_plan()).checks}
    assert figures["sensitivity"]["largest"] == pytest.approx(1, abs=1e-4)
    assert figures["noise"]["values"] >= 400
    assert figures["noise"]["deviation"] == pytest.approx(1, abs=0.05)
    assert figures["sampling"]["size_variance"] == pytest.approx(1, abs=0.4)
    assert figures["steps"]["planned"] == figures["steps"]["drawn"] == 60
    assert figures["audit"]["canaries"] == 5000 and figures["audit"]["guesses"] == 250
    assert figures["audit"]["refuted"] <= figures["audit"]["claimed"] <= 2


def passing(name: str) -> Check:
    return Check(name=name, passed=True, figures={"value": 0.1})


@pytest.mark.parametrize(
    "checks",
    [
        (),
        tuple(passing(name) for name in CHECKS[:-1]),
        tuple(passing(name) for name in reversed(CHECKS)),
        (*(passing(name) for name in CHECKS[:-1]), Check(name=CHECKS[-1], passed=False, figures={})),
    ],
    ids=["none", "one missing", "another order", "one failed"],
)
def test_anything_less_than_all_checks_is_no_pass(checks: tuple[Check, ...]) -> None:
    assert not SelfTest(plan="p", checks=checks).passed


def test_figures_are_written_as_decimal_strings() -> None:
    assert passing("noise").plain() == {"figures": {"value": "0.1"}, "name": "noise", "passed": True}
