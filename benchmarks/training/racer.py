"""One of the processes that race for a budget: it reserves, runs, settles, and may be killed anywhere.

Each acknowledged change is told to the parent right after the ledger has returned. A
successor of a killed process looks in the ledger for what that one left open, as a worker
does: it goes on with it, burns it, or leaves it open for somebody to see.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from guard.domain.privacy import Mechanism, PrivacyUnit, Reservation, SpendState, UnitKind
from guard.errors import BudgetExhausted
from guard.keys.keyring import Keyring
from guard.storage.database import open_database, sqlite_url
from guard.storage.installation import new_id
from guard.storage.ledger import SqlLedgerStore

__all__ = ["KINDS", "ROOT", "UNIT", "Told", "open_ledger", "race"]

ROOT = "sha256:" + b"ra".hex() * 16
UNIT = PrivacyUnit(kind=UnitKind.EXAMPLE)
KINDS = ((0.01, 1.416), (0.125, 8.0), (1.0, 60.0))
"""Sample rates and noise multipliers of the jobs."""
SHORTEST, LONGEST = 5, 150
CHUNK = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What a process tells: ``ready``, ``refused``, or a reservation as the ledger returned it."""

    number: int
    word: str
    reservation: Reservation | None = None


def open_ledger(folder: Path) -> SqlLedgerStore:
    """Open the ledger of a folder as every process does for itself."""
    engine = open_database(sqlite_url(folder / "guard.db"))
    return SqlLedgerStore(engine, Keyring.load(folder / "keyring"))


def race(folder: Path, number: int, seed: int, reservations: int, told: Connection) -> None:
    """Settle what a predecessor left, then ask for ``reservations``, one job after the other."""
    _Racer(folder, number, random.Random(seed), told).run(reservations)


class _Racer:
    def __init__(self, folder: Path, number: int, draw: random.Random, told: Connection) -> None:
        self._ledger = open_ledger(folder)
        self._number = number
        self._draw = draw
        self._told = told

    def run(self, reservations: int) -> None:
        self._tell("ready")
        for left in self._ledger.reservations(ROOT):
            if left.job == self._job and left.state in (SpendState.RESERVED, SpendState.RUNNING):
                self._draw.choice((self._work, self._give_up, _leave))(left)
        for _ in range(reservations):
            self._ask()

    @property
    def _job(self) -> str:
        return f"process {self._number}"

    def _ask(self) -> None:
        rate, noise = self._draw.choice(KINDS)
        steps = self._draw.randint(SHORTEST, LONGEST)
        try:
            held = self._ledger.reserve(
                reservation_id=new_id(),
                root=ROOT,
                job=self._job,
                mechanism=Mechanism(sample_rate=rate, noise_multiplier=noise, steps=steps),
                unit=UNIT,
                now=time.time_ns() // 1000,
            )
        except BudgetExhausted:
            self._tell("refused")
            return
        self._tell("moved", held)
        doing: Callable[[Reservation], None] = self._work if self._draw.random() < 0.9 else self._give_up
        doing(held)

    def _work(self, held: Reservation) -> None:
        """Run some of the steps, a chunk written ahead at a time, and settle."""
        if held.state is SpendState.RESERVED:
            held = self._moved(self._ledger.start(held))
        stop = self._draw.randint(0, held.mechanism.steps)
        while held.written_ahead < stop:
            to = min(held.written_ahead + CHUNK * self._draw.randint(1, 8), held.mechanism.steps)
            held = self._moved(self._ledger.advance(held, to=to))
        self._moved(self._ledger.settle(held, private_stop=False))

    def _give_up(self, held: Reservation) -> None:
        if held.state is SpendState.RESERVED:
            self._moved(self._ledger.release(held, reason="asked"))
        else:
            self._moved(self._ledger.burn(held, reason="lost"))

    def _moved(self, held: Reservation) -> Reservation:
        self._tell("moved", held)
        return held

    def _tell(self, word: str, held: Reservation | None = None) -> None:
        self._told.send(Told(self._number, word, held))


def _leave(_: Reservation) -> None:
    """Leave it open."""
