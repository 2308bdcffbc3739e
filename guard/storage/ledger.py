"""The privacy ledger in SQL: each change is one transaction with its check and its event.

A change that has returned survives a power cut (``open_database``). SQLite: a blocking
``flock`` in front of ``BEGIN IMMEDIATE``, as its own busy handler starves writers.
PostgreSQL: ``FOR UPDATE`` on the book's row.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, Engine

from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Reservation
from guard.errors import BudgetExhausted, LedgerConflict, NotFound
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose
from guard.ledger.filter import admit, check_budget
from guard.ledger.records import budget_record, refusal_record, reservation_record
from guard.ledger.transitions import (
    advance,
    burn,
    check_change,
    check_unit,
    release,
    reserved,
    same,
    settle,
    start,
)
from guard.storage.database import sqlite_path
from guard.storage.ledger_book import Book, written
from guard.storage.outbox import put

__all__ = ["SqlLedgerStore"]


class SqlLedgerStore:
    """Implements ``ledger.store.LedgerStore`` for one tenant."""

    def __init__(self, engine: Engine, keyring: Keyring, *, tenant: str = "default") -> None:
        self._engine = engine
        self._keyring = keyring
        self._tenant = tenant

    def budgets(self) -> list[Budget]:
        """Return every budget, by root."""
        with self._reading() as book:
            return [book.budget(root) for root in book.roots()]

    def budget(self, root: str) -> Budget:
        """Return a dataset's budget. Raises ``NotFound``."""
        with self._reading() as book:
            return book.budget(root)

    def set_budget(self, budget: Budget, *, principal: str) -> None:
        """Set or change a budget. Raises ``ConfigurationError``, ``LedgerConflict``."""
        check_budget(budget)
        with self._writing() as book:
            new = budget.root not in book.roots()
            if not new:
                check_change(book.budget(budget.root), budget, book.reservations(budget.root))
            book.put_budget(budget, new=new)
            put(book.connection, budget_record(self._tenant, budget, principal=principal))

    def reservations(self, root: str) -> list[Reservation]:
        """Return what was ever reserved of a budget, oldest first. Raises ``NotFound``."""
        with self._reading() as book:
            book.budget(root)
            return book.reservations(root)

    def reservation(self, reservation_id: str) -> Reservation:
        """Return one reservation. Raises ``NotFound``."""
        with self._reading() as book:
            return _booked(book, reservation_id)[1]

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
        """Take a whole plan out of a budget; a refusal is recorded and raised.

        Raises ``BudgetExhausted``, ``NotFound``, ``LedgerConflict``, ``ValueError``.
        """
        asked = reserved(reservation_id=reservation_id, root=root, job=job, mechanism=mechanism, now=now)
        refusal: BudgetExhausted | None = None
        with self._writing() as book:
            budget = book.budget(root)
            check_unit(budget, unit)
            if book.find(reservation_id) is not None:
                raise LedgerConflict(f"reservation {reservation_id} exists")
            try:
                admit(budget, book.reservations(root), mechanism)
            except BudgetExhausted as error:
                refusal = error
                put(book.connection, refusal_record(self._tenant, asked, largest=error.largest))
            else:
                book.put_reservation(asked, budget, new=True)
                put(book.connection, reservation_record(self._tenant, asked))
        if refusal is not None:
            raise refusal
        return asked

    def start(self, held: Reservation) -> Reservation:
        """From reserved to running. Raises ``LedgerConflict``."""
        return self._move(held, start)

    def advance(self, held: Reservation, *, to: int) -> Reservation:
        """Write steps ahead; leaves no event. Raises ``LedgerConflict``."""
        return self._move(held, partial(advance, to=to), recorded=False)

    def settle(self, held: Reservation, *, private_stop: bool) -> Reservation:
        """From running to settled. Raises ``LedgerConflict``."""
        return self._move(held, partial(settle, private_stop=private_stop))

    def release(self, held: Reservation, *, reason: str) -> Reservation:
        """From reserved to released. Raises ``LedgerConflict``."""
        return self._move(held, release, reason=reason)

    def burn(self, held: Reservation, *, reason: str) -> Reservation:
        """From running to burnt. Raises ``LedgerConflict``."""
        return self._move(held, burn, reason=reason)

    def check(self) -> list[str]:
        """Return every way in which the book is not as it was written."""
        with self._engine.connect() as connection, connection.begin():
            # Where nothing was ever written there is no key either, and looking must not make one.
            return self._book(connection).problems() if written(connection, self._tenant) else []

    def _move(
        self,
        held: Reservation,
        change: Callable[[Reservation], Reservation],
        *,
        reason: str = "",
        recorded: bool = True,
    ) -> Reservation:
        with self._writing() as book:
            budget, booked = _booked(book, held.id)
            same(held, booked)
            moved = change(booked)
            book.put_reservation(moved, budget, new=False)
            if recorded:
                put(book.connection, reservation_record(self._tenant, moved, reason=reason))
        return moved

    @contextmanager
    def _reading(self) -> Iterator[Book]:
        with self._engine.connect() as connection, connection.begin():
            book = self._book(connection)
            book.open(write=False)
            yield book

    @contextmanager
    def _writing(self) -> Iterator[Book]:
        writing = self._engine.connect().execution_options(guard_write=True)
        with self._turn(), writing as connection, connection.begin():
            book = self._book(connection)
            book.open(write=True)
            yield book

    @contextmanager
    def _turn(self) -> Iterator[None]:
        path = sqlite_path(self._engine)
        if path is None:
            yield
            return
        with open(f"{path}.ledger-lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _book(self, connection: Connection) -> Book:
        key = self._keyring.purpose_key(Purpose.LEDGER, tenant=self._tenant)
        return Book(connection, tenant=self._tenant, key=key)


def _booked(book: Book, reservation_id: str) -> tuple[Budget, Reservation]:
    """Return a reservation with its budget, whose seal says that it belongs there."""
    booked = book.find(reservation_id)
    if booked is None:
        raise NotFound(f"no reservation {reservation_id}; see: guard budget show")
    return book.budget(booked.root), booked
