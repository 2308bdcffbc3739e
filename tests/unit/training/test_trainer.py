"""Runs: what is written ahead, what is counted, how a run ends, goes on and learns."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.training.example import example_dataset, example_plan, example_recipe, example_rows
from guard.errors import IncompatibleModel, TrainingError
from guard.training.noise import GaussianNoise, Noise
from guard.training.plan import TrainingPlan, make_plan
from guard.training.recipes.tabular import probabilities, weights_of, width
from guard.training.sampler import Sampler
from guard.training.selftest.bench import Chosen, Silence
from guard.training.state import TrainerState
from guard.training.trainer import Mechanics, Progress, Trainer, assemble, model_for
from guard.training.units import Units, read_units

UNITS = 300


@dataclass
class Diary:
    """A watch that writes down what it hears, and stops a run where it is told to."""

    said: list[str] = field(default_factory=list)
    kept: list[TrainerState] = field(default_factory=list)
    heard: list[Progress] = field(default_factory=list)
    paid: int = 0
    asked: int = 0
    cancel_at: int | None = None
    crash_after: int | None = None

    def ahead(self, executed: int) -> None:
        assert executed > self.paid, "what is written ahead rises"
        self.paid = executed
        self.said.append(f"ahead {executed}")

    def keep(self, state: TrainerState) -> None:
        if self.crash_after is not None and state.executed > self.crash_after:
            raise Crash
        self.kept.append(state)
        self.said.append(f"keep {state.done}/{state.executed}")

    def progress(self, progress: Progress) -> None:
        self.heard.append(progress)

    def cancelled(self) -> bool:
        self.asked += 1
        return self.cancel_at is not None and self.asked > self.cancel_at


class Crash(Exception):
    """The process dies here."""


def small_plan(*, steps: int = 10, every: int = 4, spare: int = 4) -> TrainingPlan:
    recipe = example_recipe()
    schedule = replace(recipe.schedule, steps=steps, checkpoint_every=every, spare_steps=spare)
    return make_plan(replace(recipe, schedule=schedule), example_dataset(units=UNITS))


def trainer(plan: TrainingPlan, *, sampler: Sampler | None = None, noise: Noise | None = None) -> Trainer:
    units = read_units(plan, example_rows(plan.units, seed=4))

    def replaced(plan: TrainingPlan, model: nn.Module, count: int) -> Mechanics:
        made = assemble(plan, model, count)
        return replace(made, sampler=sampler or made.sampler, noise=noise or made.noise)

    return Trainer(plan=plan, units=units, model=model_for(plan.recipe), parts=replaced)


def test_steps_are_written_ahead_before_they_run_and_kept_after() -> None:
    diary = Diary()
    state = trainer(small_plan()).run(diary)
    assert diary.said == ["ahead 4", "keep 4/4", "ahead 8", "keep 8/8", "ahead 10", "keep 10/10"]
    assert (state.done, state.executed) == (10, 10)
    assert [(p.done, p.steps, p.executed) for p in diary.heard] == [(4, 10, 4), (8, 10, 8), (10, 10, 10)]


def test_progress_says_what_it_cost_so_far() -> None:
    plan, diary = small_plan(), Diary()
    trainer(plan).run(diary)
    costs = [progress.epsilon for progress in diary.heard]
    assert costs == sorted(costs) and costs[0] > 0
    assert costs[-1] == plan.spent(10) < plan.spent(14) <= 2.005


def test_nothing_runs_that_could_not_be_written_ahead() -> None:
    class Refuses(Diary):
        def ahead(self, executed: int) -> None:
            if executed > 4:
                raise TrainingError("the book is closed")
            super().ahead(executed)

    diary, sampler = Refuses(), Counts()
    with pytest.raises(TrainingError, match="closed"):
        trainer(small_plan(), sampler=sampler).run(diary)
    assert sampler.draws == 4


class Counts:
    """Draws the same three units and counts how often."""

    def __init__(self) -> None:
        self.draws = 0

    def draw(self) -> NDArray[np.intp]:
        self.draws += 1
        return np.arange(3)


@pytest.mark.parametrize("asked", [0, 1, 2, 5, 6, 7, 100])
def test_a_cancelled_run_stops_before_the_next_step(asked: int) -> None:
    diary, sampler = Diary(cancel_at=asked), Counts()
    state = trainer(small_plan(), sampler=sampler).run(diary)
    assert state.done == sampler.draws <= state.executed == diary.paid
    assert diary.asked <= asked + 1, "nobody asks twice"


@pytest.mark.parametrize("crash_after", [0, 4, 8])
def test_a_crash_costs_the_steps_that_were_written_ahead(crash_after: int) -> None:
    plan, first = small_plan(), Diary(crash_after=crash_after)
    with pytest.raises(Crash):
        trainer(plan).run(first)
    lost = first.paid - crash_after
    second = Diary(paid=first.paid)
    again = trainer(plan)
    again.resume(first.kept[-1] if first.kept else None, executed=first.paid)
    state = again.run(second)
    assert state.done == 10, "the spare steps make up for the lost ones"
    assert state.executed == second.paid == 10 + lost
    assert plan.spent(state.executed) <= plan.spent(plan.mechanism.steps)


def test_without_spare_steps_left_a_run_ends_early() -> None:
    plan = small_plan(spare=0)
    again = trainer(plan)
    again.resume(None, executed=4)
    state = again.run(Diary(paid=4))
    assert (state.done, state.executed) == (6, 10)


def test_a_resumed_run_is_the_uninterrupted_one_but_for_its_noise() -> None:
    everybody = Chosen(range(UNITS))
    plan, diary = small_plan(), Diary()
    whole = trainer(plan, sampler=everybody, noise=Silence()).run(diary)
    again = trainer(plan, sampler=everybody, noise=Silence())
    again.resume(diary.kept[0], executed=8)
    state = again.run(Diary(paid=8))
    assert state.executed == 14
    for vector in ("weights", "velocity", "average"):
        assert getattr(state, vector) == pytest.approx(getattr(whole, vector), abs=1e-12)


class Recorded:
    """Keeps every value that it draws."""

    def __init__(self, deviation: float) -> None:
        self._noise = GaussianNoise(deviation=deviation)
        self.values: list[NDArray[np.float64]] = []

    def draw(self, count: int) -> NDArray[np.float64]:
        self.values.append(self._noise.draw(count))
        return self.values[-1]


def test_steps_that_run_again_have_other_noise() -> None:
    plan, diary = small_plan(), Diary()
    first, second = Recorded(plan.deviation), Recorded(plan.deviation)
    trainer(plan, noise=first).run(diary)
    again = trainer(plan, noise=second)
    again.resume(diary.kept[0], executed=8)
    again.run(Diary(paid=8))
    assert not np.intersect1d(np.concatenate(first.values), np.concatenate(second.values)).size


@pytest.mark.parametrize("executed", [0, 3])
def test_a_checkpoint_from_the_future_is_refused(executed: int) -> None:
    diary = Diary()
    trainer(small_plan()).run(diary)
    with pytest.raises(TrainingError, match="not of this job"):
        trainer(small_plan()).resume(diary.kept[0], executed=executed)


def test_a_checkpoint_of_another_size_is_refused() -> None:
    diary = Diary()
    trainer(small_plan()).run(diary)
    state = replace(diary.kept[0], weights=diary.kept[0].weights[1:])
    with pytest.raises(TrainingError, match="not of this job"):
        trainer(small_plan()).resume(state, executed=4)


@pytest.mark.parametrize(
    "first", [(), (0,), tuple(range(UNITS))], ids=["empty batch", "one unit", "everybody"]
)
def test_every_batch_is_a_step(first: tuple[int, ...]) -> None:
    state = trainer(small_plan(), sampler=Chosen(first)).run(Diary())
    assert state.done == 10
    assert np.isfinite(state.weights).all() and state.weights.any()


def test_an_empty_batch_still_gets_noise() -> None:
    plan = small_plan()
    empty = trainer(plan, sampler=Chosen(()))
    drawn = np.concatenate([empty.gradient().cpu().numpy() for _ in range(100)]) * plan.expected_batch
    assert drawn.std() == pytest.approx(plan.deviation, rel=0.1)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_row_that_is_not_finite_spoils_nothing_and_shows_nowhere(value: float) -> None:
    plan = small_plan()
    units = read_units(plan, example_rows(UNITS, seed=4))
    features = units.features.copy()
    features[7] = value

    def parts(plan: TrainingPlan, model: nn.Module, count: int) -> Mechanics:
        return replace(assemble(plan, model, count), noise=Silence(), sampler=Chosen(range(UNITS)))

    def run(features: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        made = Trainer(
            plan=plan,
            units=Units(features=features, labels=labels),
            model=model_for(plan.recipe),
            parts=parts,
        )
        return made.run(Diary()).weights

    silent = units.labels.copy()
    silent[7] = -100
    assert run(features, units.labels) == pytest.approx(run(units.features, silent), abs=1e-6)


def test_n_500_with_a_batch_of_499_runs_as_planned() -> None:
    recipe = example_recipe()
    schedule = replace(recipe.schedule, expected_batch=499, sample_rate=None, steps=20)
    plan = make_plan(replace(recipe, schedule=schedule), example_dataset(units=500))
    assert plan.mechanism.sample_rate == 0.998
    units = read_units(plan, example_rows(500, seed=4))
    sampler = Sized(assemble(plan, model_for(recipe), 500).sampler)

    def parts(plan: TrainingPlan, model: nn.Module, count: int) -> Mechanics:
        return replace(assemble(plan, model, count), sampler=sampler)

    Trainer(plan=plan, units=units, model=model_for(recipe), parts=parts).run(Diary())
    assert len(sampler.sizes) == 20
    assert 495 < np.mean(sampler.sizes) <= 500


class Sized:
    """Writes down the size of each batch."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self.sizes: list[int] = []

    def draw(self) -> NDArray[np.intp]:
        drawn = self._sampler.draw()
        self.sizes.append(len(drawn))
        return drawn


def test_a_model_that_mixes_units_never_runs() -> None:
    plan = small_plan()
    units = read_units(plan, example_rows(UNITS, seed=4))
    width = units.features.shape[1]
    with pytest.raises(IncompatibleModel, match="use GroupNorm"):
        Trainer(plan=plan, units=units, model=nn.Sequential(nn.BatchNorm1d(width), nn.Linear(width, 2)))


def test_a_private_run_learns() -> None:
    plan = example_plan(units=4000)
    units = read_units(plan, example_rows(4000, seed=5))
    state = Trainer(plan=plan, units=units, model=model_for(plan.recipe)).run(Diary())
    held_out = read_units(replace(plan, units=1000), example_rows(1000, seed=6))
    found = probabilities(held_out.features, weights_of(plan.recipe, state)).argmax(axis=1)
    assert (found == held_out.labels).mean() > 0.8
    assert max(np.bincount(held_out.labels)) / 1000 < 0.7, "guessing one class would not do"


def test_a_private_run_by_users_learns() -> None:
    recipe = example_recipe()
    recipe = replace(recipe, privacy=replace(recipe.privacy, records_per_user=3, epsilon=8))
    plan = make_plan(recipe, example_dataset(units=1500, user=True))
    units = read_units(plan, example_rows(4500, seed=5))
    state = Trainer(plan=plan, units=units, model=model_for(plan.recipe)).run(Diary())
    held_out = read_units(example_plan(units=1000), example_rows(1000, seed=6))
    found = probabilities(held_out.features, weights_of(plan.recipe, state)).argmax(axis=1)
    assert (found == held_out.labels).mean() > 0.8


def test_cuda_is_used_where_it_is_there() -> None:
    assert trainer(small_plan()).gradient().is_cuda is torch.cuda.is_available()


def test_a_step_moves_by_momentum_and_averages() -> None:
    plan = small_plan(steps=4, every=1, spare=0)
    schedule = plan.recipe.schedule
    size = 2 * width(plan.recipe)
    weights, velocity, average = np.zeros(size), np.ones(size), np.zeros(size)
    start = TrainerState(done=0, executed=0, weights=weights, velocity=velocity, average=average)
    still = trainer(plan, sampler=Chosen(()), noise=Silence())
    still.resume(start, executed=0)
    diary = Diary()
    still.run(diary)
    for state in diary.kept:
        velocity = schedule.momentum * velocity
        weights = weights - schedule.learning_rate * velocity
        average = schedule.averaging * average + (1 - schedule.averaging) * weights
        assert state.velocity == pytest.approx(velocity)
        assert state.weights == pytest.approx(weights)
        assert state.average == pytest.approx(average)
    assert len(diary.kept) == 4


def test_the_average_forgets_that_it_began_at_zero() -> None:
    ones = np.ones(3)
    average, state = np.zeros(3), None
    for done in range(1, 6):
        average = 0.9 * average + 0.1 * ones
        state = TrainerState(done=done, executed=done, weights=ones, velocity=ones, average=average)
        assert state.released(averaging=0.9) == pytest.approx(ones)
    start = TrainerState(done=0, executed=0, weights=ones, velocity=ones, average=np.zeros(3))
    assert start.released(averaging=0.9) == pytest.approx(ones)
