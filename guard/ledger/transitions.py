"""Where a reservation may go from where it stands (DESIGN §5, Training), and nowhere else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Reservation, SpendState
from guard.errors import LedgerConflict

__all__ = ["advance", "burn", "check_change", "check_unit", "release", "reserved", "same", "settle", "start"]


def reserved(*, reservation_id: str, root: str, job: str, mechanism: Mechanism, now: int) -> Reservation:
    """Return a new reservation. ``now``: µs since 1970."""
    return Reservation(
        id=reservation_id,
        root=root,
        job=job,
        mechanism=mechanism,
        state=SpendState.RESERVED,
        written_ahead=0,
        created=now,
    )


def start(held: Reservation) -> Reservation:
    """From reserved to running. Raises ``LedgerConflict``."""
    _need(held, SpendState.RESERVED, "start")
    return replace(held, state=SpendState.RUNNING)


def advance(held: Reservation, *, to: int) -> Reservation:
    """Write steps ahead. Raises ``LedgerConflict`` unless it runs and ``to`` grows within the plan."""
    _need(held, SpendState.RUNNING, "write steps ahead")
    if not held.written_ahead < to <= held.mechanism.steps:
        raise LedgerConflict(
            f"reservation {held.id} cannot be written ahead to step {to}: {held.written_ahead} of"
            f" {held.mechanism.steps} are; steps beyond the plan need a reservation of their own"
        )
    return replace(held, written_ahead=to)


def settle(held: Reservation, *, private_stop: bool) -> Reservation:
    """From running to settled: what was written ahead stays charged. Raises ``LedgerConflict``."""
    _need(held, SpendState.RUNNING, "settle")
    return replace(held, state=SpendState.SETTLED, private_stop=private_stop)


def release(held: Reservation) -> Reservation:
    """From reserved to released: nothing ran, nothing is charged. Raises ``LedgerConflict``."""
    _need(held, SpendState.RESERVED, "release")
    return replace(held, state=SpendState.RELEASED)


def burn(held: Reservation) -> Reservation:
    """From running to burnt: the whole plan stays charged. Raises ``LedgerConflict``."""
    _need(held, SpendState.RUNNING, "burn")
    return replace(held, state=SpendState.BURNT)


def same(held: Reservation, booked: Reservation) -> None:
    """Raise ``LedgerConflict`` if the book has moved on from what somebody holds."""
    if held != booked:
        raise LedgerConflict(
            f"reservation {booked.id} is {booked.state} with {booked.written_ahead} steps written ahead;"
            " somebody else has changed it"
        )


def check_change(old: Budget, new: Budget, reservations: Collection[Reservation]) -> None:
    """Raise ``LedgerConflict`` if a budget's frozen parts would change under its reservations."""
    frozen = (old.order, old.unit, old.relation)
    if reservations and frozen != (new.order, new.unit, new.relation):
        raise LedgerConflict(
            f"order, unit and relation of the budget of {old.root} are frozen:"
            f" {len(reservations)} reservations were made under them"
        )


def check_unit(budget: Budget, unit: PrivacyUnit) -> None:
    """Raise ``LedgerConflict`` for a job that protects another unit: its cost says nothing here."""
    if unit != budget.unit:
        raise LedgerConflict(
            f"the budget of {budget.root} protects {_unit_words(budget.unit)}, the job {_unit_words(unit)}"
        )


def _unit_words(unit: PrivacyUnit) -> str:
    return unit.kind.value if unit.column is None else f"{unit.kind.value} (column {unit.column})"


def _need(held: Reservation, state: SpendState, verb: str) -> None:
    if held.state is not state:
        raise LedgerConflict(f"reservation {held.id} is {held.state}: cannot {verb}")
