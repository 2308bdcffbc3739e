"""One tenant's book inside a transaction: what is read must fit its seal, what is written gets one.

Whoever writes holds the book's row, so changes of a ledger follow one another. The seals
around a row are checked before they are renewed, or a change would make good what
somebody else has altered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from sqlalchemy import Connection, Select, insert, select, text, update
from sqlalchemy.engine import Row

from guard.domain.privacy import Budget, Mechanism, PrivacyUnit, Relation, Reservation, SpendState, UnitKind
from guard.errors import LedgerTampered, NotFound
from guard.ledger.seal import book_seal, budget_seal, fits, reservation_seal
from guard.storage.ledger_tables import books, budgets, reservations

__all__ = ["Book", "written"]

FIRST = text(
    "INSERT INTO ledger_book (tenant, changes, seal) VALUES (:tenant, 0, :seal)"
    " ON CONFLICT (tenant) DO NOTHING"
)
HEAD = "the ledger's budgets are not those that were written"


def written(connection: Connection, tenant: str) -> bool:
    """Return whether anything stands in a tenant's ledger."""
    tables = (books, budgets, reservations)
    queries = (select(table.c.tenant).where(table.c.tenant == tenant).limit(1) for table in tables)
    return any(connection.execute(query).first() is not None for query in queries)


class Book:
    """The book as it stands in the transaction of ``connection``.

    Every method raises ``LedgerTampered`` for what does not fit its seal.
    """

    def __init__(self, connection: Connection, *, tenant: str, key: bytes) -> None:
        self.connection = connection
        self._tenant = tenant
        self._key = key

    def open(self, *, write: bool) -> None:
        """Take the book, alone if it is for writing, and check its seal."""
        if write:
            empty = book_seal(self._key, changes=0, budgets=())
            self.connection.execute(FIRST, {"tenant": self._tenant, "seal": empty})
        # Readers hold the row too: they must not see half of what another transaction wrote.
        query = select(books).where(books.c.tenant == self._tenant).with_for_update(read=not write)
        row = self.connection.execute(query).first()
        with _as_written(HEAD):
            if row is not None:
                _expect(self._book_seal(row.changes), row.seal, HEAD)
            elif self._budget_seals():
                raise LedgerTampered(HEAD)

    def roots(self) -> list[str]:
        """Return the root of every budget."""
        query = select(budgets.c.root).where(budgets.c.tenant == self._tenant)
        return list(self.connection.execute(query.order_by(budgets.c.root)).scalars())

    def budget(self, root: str) -> Budget:
        """Return one budget; its seal covers those of its reservations. Raises ``NotFound``."""
        query = select(budgets).where(budgets.c.tenant == self._tenant, budgets.c.root == root)
        row = self.connection.execute(query).first()
        if row is None:
            raise NotFound(f"no privacy budget is set for {root}; set one: guard budget set")
        altered = f"the budget of {root}, or which reservations it has, is not as it was written"
        with _as_written(altered):
            budget = _budget(row)
            _expect(budget_seal(self._key, budget, self._reservation_seals(root)), row.seal, altered)
        return budget

    def reservations(self, root: str) -> list[Reservation]:
        """Return all reservations of a budget, oldest first."""
        query = select(reservations).where(reservations.c.tenant == self._tenant, reservations.c.root == root)
        rows = self.connection.execute(query.order_by(reservations.c.created, reservations.c.id))
        return [self._reservation(row) for row in rows.all()]

    def find(self, reservation_id: str) -> Reservation | None:
        """Return a reservation, if there is one."""
        query = select(reservations).where(
            reservations.c.tenant == self._tenant, reservations.c.id == reservation_id
        )
        row = self.connection.execute(query).first()
        return None if row is None else self._reservation(row)

    def _reservation(self, row: Row[tuple[object, ...]]) -> Reservation:
        altered = f"reservation {row.id} is not as it was written"
        with _as_written(altered):
            reservation = _reservation(row)
            _expect(reservation_seal(self._key, reservation), row.seal, altered)
        return reservation

    def put_budget(self, budget: Budget, *, new: bool) -> None:
        """Write a budget, sealed over the reservations that it has, and seal the book."""
        values: dict[str, object] = {
            "epsilon": budget.epsilon,
            "delta": budget.delta,
            "renyi_order": budget.order,
            "unit_kind": budget.unit.kind.value,
            "unit_column": budget.unit.column,
            "relation": budget.relation.value,
            "seal": budget_seal(self._key, budget, self._reservation_seals(budget.root)),
        }
        if new:
            values |= {"tenant": self._tenant, "root": budget.root}
            self.connection.execute(insert(budgets).values(values))
        else:
            of = (budgets.c.tenant == self._tenant, budgets.c.root == budget.root)
            self.connection.execute(update(budgets).where(*of).values(values))
        self._seal_book()

    def put_reservation(self, reservation: Reservation, budget: Budget, *, new: bool) -> None:
        """Write a reservation and seal its budget and the book."""
        values: dict[str, object] = {
            "state": reservation.state.value,
            "written_ahead": reservation.written_ahead,
            "private_stop": reservation.private_stop,
            "seal": reservation_seal(self._key, reservation),
        }
        if new:
            values |= {"tenant": self._tenant, **_first_values(reservation)}
            self.connection.execute(insert(reservations).values(values))
        else:
            of = (reservations.c.tenant == self._tenant, reservations.c.id == reservation.id)
            self.connection.execute(update(reservations).where(*of).values(values))
        self.put_budget(budget, new=False)

    def _seal_book(self) -> None:
        of = books.c.tenant == self._tenant
        changes = self.connection.execute(select(books.c.changes).where(of)).scalar_one() + 1
        values = {"changes": changes, "seal": self._book_seal(changes)}
        self.connection.execute(update(books).where(of).values(values))

    def _book_seal(self, changes: int) -> bytes:
        return book_seal(self._key, changes=changes, budgets=self._budget_seals())

    def _budget_seals(self) -> list[bytes]:
        query = select(budgets.c.root, budgets.c.seal).where(budgets.c.tenant == self._tenant)
        return self._in_order(query)

    def _reservation_seals(self, root: str) -> list[bytes]:
        query = select(reservations.c.id, reservations.c.seal).where(
            reservations.c.tenant == self._tenant, reservations.c.root == root
        )
        return self._in_order(query)

    def _in_order(self, query: Select[str, bytes]) -> list[bytes]:
        # Sorted here: a database sorts by its locale, and might by another after a move.
        pairs = sorted((row[0], row[1]) for row in self.connection.execute(query))
        return [seal for _, seal in pairs]

    def problems(self) -> list[str]:
        """Return everything that does not fit its seal."""
        of = reservations.c.tenant == self._tenant
        rows = self.connection.execute(select(reservations).where(of).order_by(reservations.c.id)).all()
        orphans = {row.root for row in rows} - set(self.roots())
        checks: list[Callable[[], object]] = [partial(self.open, write=False)]
        checks += [partial(self.budget, root) for root in self.roots()]
        checks += [partial(self._reservation, row) for row in rows]
        return [
            *filter(None, map(_problem, checks)),
            *(f"reservations of {root} have no budget" for root in sorted(orphans)),
        ]


def _problem(check: Callable[[], object]) -> str | None:
    try:
        check()
    except LedgerTampered as error:
        return error.message
    return None


@contextmanager
def _as_written(altered: str) -> Iterator[None]:
    """Turn a value that the book never holds (an unknown state, a text for a number) into its error."""
    try:
        yield
    except (TypeError, ValueError):
        raise LedgerTampered(altered) from None


def _expect(expected: bytes, stored: bytes, altered: str) -> None:
    if not fits(expected, stored):
        raise LedgerTampered(altered)


def _budget(row: Row[tuple[object, ...]]) -> Budget:
    return Budget(
        root=row.root,
        epsilon=row.epsilon,
        delta=row.delta,
        order=row.renyi_order,
        unit=PrivacyUnit(kind=UnitKind(row.unit_kind), column=row.unit_column),
        relation=Relation(row.relation),
    )


def _reservation(row: Row[tuple[object, ...]]) -> Reservation:
    mechanism = Mechanism(sample_rate=row.sample_rate, noise_multiplier=row.noise_multiplier, steps=row.steps)
    return Reservation(
        id=row.id,
        root=row.root,
        job=row.job,
        mechanism=mechanism,
        state=SpendState(row.state),
        written_ahead=row.written_ahead,
        created=row.created,
        private_stop=row.private_stop,
    )


def _first_values(reservation: Reservation) -> dict[str, object]:
    """Return what never changes of a reservation."""
    return {
        "id": reservation.id,
        "root": reservation.root,
        "job": reservation.job,
        "sample_rate": reservation.mechanism.sample_rate,
        "noise_multiplier": reservation.mechanism.noise_multiplier,
        "steps": reservation.mechanism.steps,
        "created": reservation.created,
    }
