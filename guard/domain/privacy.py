"""The words of the privacy budget: what a dataset may spend, what a job spends, where it stands.

Every figure of epsilon belongs to a unit (whom one record protects) and a relation (what
neighbouring datasets differ in); neither is ever implied.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Budget", "Mechanism", "PrivacyUnit", "Relation", "Reservation", "SpendState", "UnitKind"]


class UnitKind(StrEnum):
    """What one privacy unit is."""

    EXAMPLE = "example"
    USER = "user"


class Relation(StrEnum):
    """What two neighbouring datasets differ in."""

    ADD_REMOVE = "add-remove"


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivacyUnit:
    """Whom one record protects; ``column`` names the user where ``kind`` is ``USER``."""

    kind: UnitKind
    column: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """Gaussian noise on a Poisson sample of units, ``steps`` times: the event that a ledger keeps.

    ``sample_rate``: probability of each unit in each step, exact. ``noise_multiplier``:
    standard deviation over sensitivity.
    """

    sample_rate: float
    noise_multiplier: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent on a dataset and on everything derived from it.

    ``root``: identity of the dataset at the head of the lineage. ``order``: the Rényi
    order that admission is decided at; frozen with the budget, so that later jobs may
    depend on earlier results (DESIGN §5, Training).
    """

    root: str
    epsilon: float
    delta: float
    order: int
    unit: PrivacyUnit
    relation: Relation = Relation.ADD_REMOVE


class SpendState(StrEnum):
    """Where a reservation stands (DESIGN §5)."""

    RESERVED = "reserved"
    RELEASED = "released"
    RUNNING = "running"
    SETTLED = "settled"
    BURNT = "burnt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A job's part of a budget.

    ``written_ahead``: steps that may have run; they count as executed. ``charged``: the
    mechanism that counts now (the whole plan until it is settled; ``steps == 0`` when
    released). ``private_stop``: it was settled early because of something computed on
    private rows, so that ``reported`` keeps the whole plan.
    """

    id: str
    root: str
    job: str
    mechanism: Mechanism
    state: SpendState
    written_ahead: int
    created: int
    """µs since 1970."""
    private_stop: bool = False

    @property
    def reported(self) -> Mechanism:
        """What counts in a total that assumes all plans to have been fixed in advance."""
        return self.mechanism if self.private_stop else self.charged

    @property
    def charged(self) -> Mechanism:
        """What counts against the budget."""
        if self.state is SpendState.RELEASED:
            return self._with(0)
        if self.state is SpendState.SETTLED:
            return self._with(self.written_ahead)
        return self.mechanism

    def _with(self, steps: int) -> Mechanism:
        return Mechanism(
            sample_rate=self.mechanism.sample_rate,
            noise_multiplier=self.mechanism.noise_multiplier,
            steps=steps,
        )
