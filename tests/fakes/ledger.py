"""The privacy ledger in memory: what ``SqlLedgerStore`` does, in the plainest way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from guard.domain.event import Record
from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Reservation
from guard.errors import BudgetExhausted, LedgerConflict, NotFound
from guard.ledger import transitions
from guard.ledger.filter import admit, check_budget
from guard.ledger.records import budget_record, refusal_record, reservation_record

__all__ = ["MemoryLedgerStore"]


class MemoryLedgerStore:
    """Implements ``ledger.store.LedgerStore``. ``events``: what waits to be relayed, in order."""

    def __init__(self, *, tenant: str = "default") -> None:
        self.events: list[Record] = []
        self._tenant = tenant
        self._budgets: dict[str, Budget] = {}
        self._reservations: dict[str, Reservation] = {}

    def budgets(self) -> list[Budget]:
        """Return every budget, by root."""
        return [self._budgets[root] for root in sorted(self._budgets)]

    def budget(self, root: str) -> Budget:
        """Return a dataset's budget. Raises ``NotFound``."""
        if root not in self._budgets:
            raise NotFound("no such budget")
        return self._budgets[root]

    def set_budget(self, budget: Budget, *, principal: str) -> None:
        """Set or change a budget. Raises ``ConfigurationError``, ``LedgerConflict``."""
        check_budget(budget)
        if budget.root in self._budgets:
            old = self._budgets[budget.root]
            transitions.check_change(old, budget, self.reservations(budget.root))
        self._budgets[budget.root] = budget
        self.events.append(budget_record(self._tenant, budget, principal=principal))

    def reservations(self, root: str) -> list[Reservation]:
        """Return what was ever reserved of a budget, oldest first. Raises ``NotFound``."""
        self.budget(root)
        found = [item for item in self._reservations.values() if item.root == root]
        return sorted(found, key=lambda item: (item.created, item.id))

    def reservation(self, reservation_id: str) -> Reservation:
        """Return one reservation. Raises ``NotFound``."""
        if reservation_id not in self._reservations:
            raise NotFound("no such reservation")
        return self._reservations[reservation_id]

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
        """Take a whole plan out of a budget; a refusal is recorded and raised."""
        budget = self.budget(root)
        transitions.check_unit(budget, unit)
        if reservation_id in self._reservations:
            raise LedgerConflict("that reservation exists")
        asked = transitions.reserved(
            reservation_id=reservation_id, root=root, job=job, mechanism=mechanism, now=now
        )
        try:
            admit(budget, self.reservations(root), mechanism)
        except BudgetExhausted as refusal:
            self.events.append(refusal_record(self._tenant, asked, largest=refusal.largest))
            raise
        self._reservations[reservation_id] = asked
        self.events.append(reservation_record(self._tenant, asked))
        return asked

    def start(self, held: Reservation) -> Reservation:
        """From reserved to running. Raises ``LedgerConflict``."""
        return self._move(held, transitions.start)

    def advance(self, held: Reservation, *, to: int) -> Reservation:
        """Write steps ahead; leaves no event. Raises ``LedgerConflict``."""
        return self._move(held, partial(transitions.advance, to=to), recorded=False)

    def settle(self, held: Reservation, *, private_stop: bool) -> Reservation:
        """From running to settled. Raises ``LedgerConflict``."""
        return self._move(held, partial(transitions.settle, private_stop=private_stop))

    def release(self, held: Reservation, *, reason: str) -> Reservation:
        """From reserved to released. Raises ``LedgerConflict``."""
        return self._move(held, transitions.release, reason=reason)

    def burn(self, held: Reservation, *, reason: str) -> Reservation:
        """From running to burnt. Raises ``LedgerConflict``."""
        return self._move(held, transitions.burn, reason=reason)

    def check(self) -> list[str]:
        """Memory is as it was written."""
        return []

    def _move(
        self,
        held: Reservation,
        change: Callable[[Reservation], Reservation],
        *,
        reason: str = "",
        recorded: bool = True,
    ) -> Reservation:
        booked = self.reservation(held.id)
        transitions.same(held, booked)
        moved = self._reservations[held.id] = change(booked)
        if recorded:
            self.events.append(reservation_record(self._tenant, moved, reason=reason))
        return moved
