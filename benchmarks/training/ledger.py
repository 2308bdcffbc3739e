"""Processes race for one privacy budget and are killed at random moments; then the book is judged.

Never above the cap: the events, in the order in which they were committed, are summed up
with costs from the definition in 60 digits, not with the ledger's own. Nothing lost: the
book must hold every change that a process was told of, or a later one.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from benchmarks.outcome import Fact, Measured, Outcome, Say
from benchmarks.training.racer import ROOT, UNIT, Told, open_ledger, race
from guard.domain.event import Record
from guard.domain.privacy import Budget, Reservation, SpendState
from guard.keys.keyring import Keyring
from guard.storage.database import open_database, sqlite_url
from guard.storage.migrate import upgrade

__all__ = ["above_cap", "compete", "lost", "measure", "soak"]

PROCESSES, RESERVATIONS, KILLS = 8, 100, 100
SOAK_RESERVATIONS, SOAK_KILLS = 2000, 3000
LIFE = 0.004
"""Longest life, in seconds a reservation, of a process that is to be killed, once it is ready."""
PATIENCE = 120.0
BUDGET = Budget(root=ROOT, epsilon=10.0, delta=1e-5, order=4, unit=UNIT)
ENDED = frozenset({SpendState.SETTLED, SpendState.BURNT, SpendState.RELEASED})
OPEN = frozenset({SpendState.RESERVED, SpendState.RUNNING})


def above_cap(events: Iterable[Record], budget: Budget) -> tuple[int, float]:
    """Return after how many events the charges were above the cap, and the highest part of it."""
    over, highest = 0, Decimal(0)
    costs: dict[str, tuple[Decimal, int]] = {}
    total, cap = Decimal(0), _exact_cap(budget)
    for event in events:
        name = str(event.fields.get("reservation"))
        match event.type:
            case "budget.reserved":
                plan = cast("Mapping[str, str | int]", event.fields["mechanism"])
                step = _exact_cost(float(plan["sample_rate"]), float(plan["noise_multiplier"]), budget.order)
                costs[name] = step, int(plan["steps"])
                total += step * int(plan["steps"])
            case "budget.released":
                total -= costs[name][0] * costs[name][1]
            case "budget.settled":
                total -= costs[name][0] * (costs[name][1] - cast("int", event.fields["executed"]))
            case _:
                continue
        over += total > cap
        highest = max(highest, total / cap)
    return over, float(highest)


def lost(told: Iterable[Reservation], book: Mapping[str, Reservation]) -> int:
    """Return of how many changes, that a process was told of, the book knows nothing."""
    return sum(not _known(reservation, book.get(reservation.id)) for reservation in told)


def _known(told: Reservation, booked: Reservation | None) -> bool:
    if booked is None or booked.mechanism != told.mechanism:
        return False
    if told.state in ENDED:
        return booked == told
    behind = told.state is SpendState.RUNNING and booked.state in (SpendState.RESERVED, SpendState.RELEASED)
    return not behind and booked.written_ahead >= told.written_ahead


def _exact_cost(rate: float, noise: float, order: int) -> Decimal:
    """One step: Mironov, Talwar, Zhang 2019, equation (5), as it stands there."""
    with localcontext() as context:
        context.prec = 60
        q, sigma = Decimal(rate), Decimal(noise)
        terms = (
            math.comb(order, k)
            * ((1 - q) ** (order - k) if k < order else 1)
            * q**k
            * (Decimal(k * k - k) / (2 * sigma * sigma)).exp()
            for k in range(order + 1)
        )
        return sum(terms, Decimal(0)).ln() / (order - 1)


def _exact_cap(budget: Budget) -> Decimal:
    """The cost of the whole budget: Canonne, Kamath, Steinke 2020, proposition 12."""
    with localcontext() as context:
        context.prec = 60
        alpha, delta = Decimal(budget.order), Decimal(budget.delta)
        return Decimal(budget.epsilon) + (delta.ln() + alpha.ln()) / (alpha - 1) - ((alpha - 1) / alpha).ln()


@dataclass(slots=True)
class _Runner:
    """One process and what is left for it. ``dies``: when it is killed, if it is."""

    process: BaseProcess
    told: Connection
    left: int
    dies: float = math.inf
    killed: bool = False


@dataclass(slots=True)
class _Race:
    folder: Path
    draw: random.Random
    kills: int
    life: float
    heard: list[Reservation] = field(default_factory=list)
    refused: int = 0
    killed: int = 0

    def run(self, processes: int, reservations: int) -> None:
        runners = {number: self._start(number, reservations) for number in range(processes)}
        patience = time.monotonic() + PATIENCE + reservations
        try:
            while runners:
                if time.monotonic() > patience:
                    raise RuntimeError("the race does not come to its end")
                self._round(runners)
        finally:
            for runner in runners.values():
                runner.process.kill()

    def _round(self, runners: dict[int, _Runner]) -> None:
        """Hear whoever has something to say, then kill whose time has come."""
        dies = min(runner.dies for runner in runners.values())
        timeout = min(max(dies - time.monotonic(), 0.0), 1.0)
        speaking = set(wait([runner.told for runner in runners.values()], timeout))
        for number, runner in list(runners.items()):
            if runner.told in speaking and not self._hear(runner):
                del runners[number]
                if runner.killed:
                    runners[number] = self._start(number, runner.left)
            elif runner.dies <= time.monotonic():
                runner.process.kill()
                runner.killed, runner.dies = True, math.inf
                self.killed += 1

    def _hear(self, runner: _Runner) -> bool:
        """Take what a process tells; return whether it still lives."""
        try:
            told: Told = runner.told.recv()
        except (EOFError, OSError):
            runner.process.join()
            runner.told.close()
            if runner.process.exitcode and not runner.killed:
                raise RuntimeError("a process failed by itself; its error stands above") from None
            return False
        if told.word == "ready" and self.kills:
            self.kills -= 1
            runner.dies = time.monotonic() + self.draw.uniform(0, self.life)
        if told.word == "refused":
            self.refused += 1
        if told.reservation is not None:
            self.heard.append(told.reservation)
        asked = told.reservation is not None and told.reservation.state is SpendState.RESERVED
        runner.left -= asked or told.word == "refused"
        return True

    def _start(self, number: int, left: int) -> _Runner:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["benchmarks.training.racer"])
        hearing, telling = context.Pipe(duplex=False)
        seed = self.draw.getrandbits(32)
        process = context.Process(target=race, args=(self.folder, number, seed, left, telling))
        process.start()
        telling.close()
        return _Runner(process=process, told=hearing, left=left)


def compete(*, processes: int, reservations: int, kills: int, seed: int, say: Say) -> Outcome:
    """Let ``processes`` ask for ``reservations`` each, kill ``kills`` times, and judge the book."""
    with tempfile.TemporaryDirectory(prefix="guard-ledger-") as name:
        folder = Path(name)
        Keyring.create(folder / "keyring")
        engine = open_database(sqlite_url(folder / "guard.db"))
        upgrade(engine, "guard")
        engine.dispose()
        ledger = open_ledger(folder)
        ledger.set_budget(BUDGET, principal="benchmark")
        racing = _Race(folder=folder, draw=random.Random(seed), kills=kills, life=LIFE * reservations)
        started = time.monotonic()
        racing.run(processes, reservations)
        seconds = time.monotonic() - started
        say(f"{racing.killed} kills in {seconds:.0f} s; judging the book")
        book = ledger.reservations(ROOT)
        return _judged(racing, book, _events(folder), ledger.check(), seconds)


def _judged(
    racing: _Race,
    book: Sequence[Reservation],
    events: Sequence[Record],
    problems: Sequence[str],
    seconds: float,
) -> Outcome:
    over, highest = above_cap(events, BUDGET)
    states = Counter(reservation.state for reservation in book)
    asked = len(book) + racing.refused
    return Outcome(
        measured=(
            Measured(bar="reservations", value=asked),
            Measured(bar="above", value=over),
            Measured(bar="lost", value=lost(racing.heard, {item.id: item for item in book})),
            Measured(bar="problems", value=len(problems)),
        ),
        facts=(
            Fact(what="kill -9", value=racing.killed, unit="times"),
            Fact(what="highest part of the cap that was ever charged", value=highest * 100, unit="%"),
            Fact(what="refused", value=racing.refused, unit="reservations"),
            *(Fact(what=str(state), value=states[state], unit="reservations") for state in SpendState),
            Fact(what="changes told of a second", value=len(racing.heard) / seconds, unit="1/s"),
        ),
        notes=(f"open and listed: {sum(states[state] for state in OPEN)}",),
    )


def _events(folder: Path) -> list[Record]:
    with closing(sqlite3.connect(folder / "guard.db")) as database:
        rows = database.execute("SELECT record FROM outbox ORDER BY id").fetchall()
    return [Record(**json.loads(row)) for (row,) in rows]


def measure(*, seed: int, say: Say) -> Outcome:
    """As many as the issue asks."""
    return compete(processes=PROCESSES, reservations=RESERVATIONS, kills=KILLS, seed=seed, say=say)


def soak(*, seed: int, say: Say) -> Outcome:
    """Many more."""
    return compete(processes=PROCESSES, reservations=SOAK_RESERVATIONS, kills=SOAK_KILLS, seed=seed, say=say)
