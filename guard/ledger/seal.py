"""Seals that show whether the book is as it was written.

A keyed seal for each reservation; a budget's seal covers those of its reservations, and
the book's covers those of its budgets and counts the changes. So a row that was changed,
removed, added or put back from before does not fit, without the key. The book put back as
a whole does; the log says more than such a book, and is where that shows.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from guard.domain.canonical import Json, canonical
from guard.domain.privacy import Budget, Reservation
from guard.ledger.records import decimal, mechanism_fields

__all__ = ["book_seal", "budget_seal", "fits", "reservation_seal"]


def reservation_seal(key: bytes, reservation: Reservation) -> bytes:
    """Return the seal of one reservation."""
    return _seal(
        key,
        {
            "created": reservation.created,
            "id": reservation.id,
            "job": reservation.job,
            "kind": "reservation",
            "mechanism": mechanism_fields(reservation.mechanism),
            "private_stop": reservation.private_stop,
            "root": reservation.root,
            "state": reservation.state,
            "written_ahead": reservation.written_ahead,
        },
    )


def budget_seal(key: bytes, budget: Budget, reservations: Iterable[bytes]) -> bytes:
    """Return the seal of a budget over the seals of its reservations, in order of their ids."""
    return _seal(
        key,
        {
            "delta": decimal(budget.delta),
            "epsilon": decimal(budget.epsilon),
            "kind": "budget",
            "order": budget.order,
            "relation": budget.relation,
            "reservations": _over(reservations),
            "root": budget.root,
            "unit": {"column": budget.unit.column, "kind": budget.unit.kind},
        },
    )


def book_seal(key: bytes, *, changes: int, budgets: Iterable[bytes]) -> bytes:
    """Return the seal of the book over the seals of its budgets, in order of their roots."""
    return _seal(key, {"budgets": _over(budgets), "changes": changes, "kind": "book"})


def fits(expected: bytes, stored: bytes) -> bool:
    """Whether a stored seal is the expected one."""
    return hmac.compare_digest(expected, stored)


def _seal(key: bytes, members: dict[str, Json]) -> bytes:
    return hmac.digest(key, canonical(members), "sha256")


def _over(seals: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(seals)).hexdigest()
