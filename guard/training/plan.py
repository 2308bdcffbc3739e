"""The frozen plan of one training job.

Sampler, clipping, noise, division, the optimiser and the ledger's event all follow from
this value and from nothing else, so they cannot disagree. Its digest stands in every
checkpoint, in the certificate and in the model.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import Enum, StrEnum

from guard.domain.canonical import Json, digest
from guard.domain.dataset import Dataset
from guard.domain.privacy import Mechanism, PrivacyUnit, Relation, UnitKind
from guard.errors import TrainingError
from guard.training.accounting import COARSE, epsilon_pld, solve_noise
from guard.training.provenance import code_digest
from guard.training.recipe import Recipe, Schedule
from guard.training.recipes.tabular import width

__all__ = ["GradMode", "TrainingPlan", "grad_mode", "make_plan"]


class GradMode(StrEnum):
    """How gradients are clipped one by one."""

    GHOST = "ghost"
    """By norms alone, without making the gradients."""
    HOOKS = "hooks"
    """By making every gradient."""


MOST_NUMBERS = 2**31
"""8 GiB in single precision."""
GHOST_LAYERS = frozenset({"Linear", "Embedding"})
"""Layers whose norms Opacus computes without making gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """Everything that decides a job. ``units``: how many the dataset holds, declared public.

    ``dataset`` and ``root``: ids of the dataset and of the head of its lineage. ``code``:
    digest of the training code.
    """

    recipe: Recipe
    dataset: str
    root: str
    unit: PrivacyUnit
    units: int
    expected_batch: int
    noise_multiplier: float
    grad_mode: GradMode
    code: str
    relation: Relation = Relation.ADD_REMOVE

    @property
    def mechanism(self) -> Mechanism:
        """The ledger's event; its steps include the spare ones."""
        schedule = self.recipe.schedule
        return Mechanism(
            sample_rate=self.expected_batch / self.units,
            noise_multiplier=self.noise_multiplier,
            steps=schedule.steps + schedule.spare_steps,
        )

    def executed(self, steps: int) -> Mechanism:
        """Return the event of so many of the plan's steps."""
        return replace(self.mechanism, steps=steps)

    def spent(self, steps: int) -> float:
        """Return an upper bound, cached, of the epsilon of so many of the plan's steps."""
        return epsilon_pld([self.executed(steps)], delta=self.recipe.privacy.delta, interval=COARSE)

    @property
    def records_per_unit(self) -> int:
        """How many rows of one unit are used at most."""
        return self.recipe.privacy.records_per_user or 1

    @property
    def deviation(self) -> float:
        """Standard deviation of the noise on each value of a sum of clipped gradients."""
        return self.noise_multiplier * self.recipe.privacy.max_grad_norm

    def plain(self) -> Json:
        """Return the plan as JSON; numbers with a fraction are decimal strings."""
        return _plain(self)

    @property
    def digest(self) -> str:
        """``sha256:<hex>`` of the canonical plan."""
        return digest(self.plain())


def grad_mode(layers: Iterable[str], *, records_per_unit: int) -> GradMode:
    """Return how gradients are clipped for these types of layers.

    A unit of several records needs its gradient made: norms of sums, computed from their
    parts, cancel, and may then come out smaller than they are.
    """
    ghost = records_per_unit == 1 and GHOST_LAYERS.issuperset(layers)
    return GradMode.GHOST if ghost else GradMode.HOOKS


def make_plan(recipe: Recipe, dataset: Dataset) -> TrainingPlan:
    """Return the plan of training ``recipe`` on ``dataset``, noise multiplier solved.

    Raises ``TrainingError`` if the recipe does not fit the dataset.
    """
    _check_unit(recipe, dataset)
    _check_columns(recipe, dataset)
    _check_delta(recipe, dataset)
    _check_size(recipe, dataset)
    batch = expected_batch(recipe.schedule, dataset.units)
    noise_multiplier = solve_noise(
        sample_rate=batch / dataset.units,
        steps=recipe.schedule.steps + recipe.schedule.spare_steps,
        epsilon=recipe.privacy.epsilon,
        delta=recipe.privacy.delta,
    )
    return TrainingPlan(
        recipe=recipe,
        dataset=dataset.id,
        root=dataset.root,
        unit=dataset.unit,
        units=dataset.units,
        expected_batch=batch,
        noise_multiplier=noise_multiplier,
        grad_mode=grad_mode(["Linear"], records_per_unit=recipe.privacy.records_per_user or 1),
        code=code_digest(),
    )


def expected_batch(schedule: Schedule, units: int) -> int:
    """Return the expected batch; a rate is rounded down to a whole batch.

    Raises ``TrainingError`` for a batch that is larger than the dataset.
    """
    if schedule.expected_batch is None:
        return max(1, int((schedule.sample_rate or 0) * units))
    if schedule.expected_batch > units:
        raise TrainingError(f"the expected batch is {schedule.expected_batch}, the dataset has {units} units")
    return schedule.expected_batch


def _check_unit(recipe: Recipe, dataset: Dataset) -> None:
    bounded = recipe.privacy.records_per_user is not None
    if dataset.unit.kind is UnitKind.USER and not bounded:
        raise TrainingError(
            "the dataset's unit is a user, and users without bound are refused; "
            "set privacy.records_per_user in the recipe"
        )
    if dataset.unit.kind is UnitKind.EXAMPLE and bounded:
        raise TrainingError("the dataset's unit is an example; take privacy.records_per_user out")


def _check_columns(recipe: Recipe, dataset: Dataset) -> None:
    there = {column.name for column in dataset.columns}
    wanted = [recipe.target.column, *(feature.column for feature in recipe.features)]
    if dataset.unit.column is not None and dataset.unit.kind is UnitKind.USER:
        wanted.append(dataset.unit.column)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise TrainingError(f"the dataset has no column {', '.join(missing)}")


def _check_delta(recipe: Recipe, dataset: Dataset) -> None:
    if dataset.units < 1:
        raise TrainingError("the dataset is empty")
    if recipe.privacy.delta >= 1 / dataset.units:
        raise TrainingError(
            f"delta {recipe.privacy.delta:g} promises nothing for {dataset.units} units; "
            f"take at most {1 / (10 * dataset.units):.1g}"
        )


def _check_size(recipe: Recipe, dataset: Dataset) -> None:
    """Refuse what no worker could hold in memory, before it takes the worker with it."""
    numbers = dataset.units * (recipe.privacy.records_per_user or 1) * width(recipe)
    weights = width(recipe) * len(recipe.target.classes)
    if max(numbers, weights) > MOST_NUMBERS:
        raise TrainingError(
            f"encoded, the dataset has {numbers} numbers and the model {weights}; at most {MOST_NUMBERS} fit;"
            " take fewer words, edges or classes"
        )


def _plain(value: object) -> Json:
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, tuple):
        return [_plain(member) for member in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no place in a plan")
