"""The port to one tenant's ledger.

Every change is one transaction with its check and its event. Whoever changes a
reservation hands in the value that it *holds*; if the book says otherwise meanwhile, the
change is refused, so that of two workers on one job only one goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Reservation

__all__ = ["LedgerStore"]


class LedgerStore(Protocol):
    """One tenant's budgets and reservations.

    Every method raises ``LedgerTampered`` if the book is not as it was written.
    """

    def budgets(self) -> Sequence[Budget]:
        """Return every budget, by root."""
        ...

    def budget(self, root: str) -> Budget:
        """Return a dataset's budget. Raises ``NotFound``."""
        ...

    def set_budget(self, budget: Budget, *, principal: str) -> None:
        """Set or change a budget in the name of ``principal``, which is sealed in the record.

        Raises ``ConfigurationError`` for one in which nothing would fit, and
        ``LedgerConflict`` for a change of order, unit or relation once something is reserved.
        """
        ...

    def reservations(self, root: str) -> Sequence[Reservation]:
        """Return what was ever reserved of a budget, oldest first."""
        ...

    def reservation(self, reservation_id: str) -> Reservation:
        """Return one reservation. Raises ``NotFound``."""
        ...

    def reserve(
        self,
        *,
        reservation_id: str,
        root: str,
        job: str,
        mechanism: Mechanism,
        unit: PrivacyUnit,
        now: int,
    ) -> Reservation:
        """Take a whole plan out of a budget; ``now`` in µs since 1970.

        Raises ``BudgetExhausted`` with the most steps that would fit (the refusal is
        recorded too), ``NotFound`` without a budget, ``LedgerConflict`` for an id in use or
        a job that protects another unit than the budget, ``ValueError`` for a mechanism
        that cannot be.
        """
        ...

    def start(self, held: Reservation) -> Reservation:
        """From reserved to running. Raises ``LedgerConflict``."""
        ...

    def advance(self, held: Reservation, *, to: int) -> Reservation:
        """Write ahead that steps up to ``to`` may run; durable before it returns.

        ``to`` counts every step ever run for the reservation: one that runs again after a
        crash counts again. Raises ``LedgerConflict`` if it isn't running, ``to`` is not
        above what is written ahead, or beyond the plan.
        """
        ...

    def settle(self, held: Reservation, *, private_stop: bool) -> Reservation:
        """From running to settled: what was written ahead stays charged, the rest goes back.

        ``private_stop``: whether the job ended early because of something computed on
        private rows; then the reported total keeps the whole plan. Raises ``LedgerConflict``.
        """
        ...

    def release(self, held: Reservation, *, reason: str) -> Reservation:
        """From reserved to released: nothing is charged. Raises ``LedgerConflict``."""
        ...

    def burn(self, held: Reservation, *, reason: str) -> Reservation:
        """From running to burnt: the whole plan stays charged. Raises ``LedgerConflict``."""
        ...

    def check(self) -> Sequence[str]:
        """Return every way in which the book is not as it was written; none is a sound book."""
        ...
