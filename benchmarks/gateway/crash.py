"""kill -9 of both workers under load, again and again; then the log is held against the world.

The stub provider remembers every body that reached it, the load generator every answer
that came whole. No answer may be missing from the log and no body may have left without
an intent; what the killed workers left open must have become gaps.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.gateway import service
from benchmarks.gateway.load import Answer, Job
from benchmarks.gateway.service import Generator, Guard
from benchmarks.outcome import Fact, Measured, Outcome, Say
from guard.audit.leaf import associated
from guard.storage.installation import open_installation

__all__ = ["Evidence", "crash", "judge", "measure", "soak"]

ROUNDS = 100
SOAK_ROUNDS = 10_000
CONNECTIONS = 16
SHORTEST, LONGEST = 0.05, 0.6
"""Seconds of load before the kill."""

LOG = "default"
SALT = 16
NUMBERS = 100_000
PATIENCE = 60.0
POLL = 0.02
STARTED = "SELECT count(*) FROM leaf WHERE log = 'system' AND type = 'system.started'"
OPEN = "SELECT count(*) FROM open_exchange"


@dataclass(slots=True)
class Evidence:
    """What the world saw (answers, forwards) and what the log says (the rest).

    ``intents``: body hashes and indices by exchange; ``outcomes``: how many by exchange.
    """

    answers: list[Answer] = field(default_factory=list)
    forwards: list[str] = field(default_factory=list)
    intents: dict[str, dict[int, str]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)


def judge(evidence: Evidence) -> tuple[int, int]:
    """Return how many answers are not in the log, and how many forwards have no intent."""
    lost = 0
    for answer in evidence.answers:
        begun = answer.record in evidence.intents.get(answer.exchange, {})
        lost += not begun or evidence.outcomes[answer.exchange] != 1
    intended = Counter(body for records in evidence.intents.values() for body in records.values())
    return lost, (Counter(evidence.forwards) - intended).total()


def measure(*, seed: int, say: Say) -> Outcome:
    """Kill as often as the issue asks."""
    return crash(rounds=ROUNDS, seed=seed, say=say)


def soak(*, seed: int, say: Say) -> Outcome:
    """Kill for hours."""
    return crash(rounds=SOAK_ROUNDS, seed=seed, say=say)


def crash(*, rounds: int, seed: int, say: Say) -> Outcome:
    """Kill ``rounds`` times, then judge."""
    evidence = Evidence()
    broken = 0
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder:
        data_dir = Path(folder) / "guard-data"
        with service.stub(remember=True) as upstream:
            key = service.installed(data_dir, upstream)
            with service.guard(data_dir) as guard, service.loads() as generator:
                moments = random.Random(seed)
                for number in range(rounds):
                    wait = moments.uniform(SHORTEST, LONGEST)
                    broken += _round(guard, generator, evidence, key=key, number=number, wait=wait)
                    if (number + 1) % 10 == 0:
                        say(f"{number + 1} of {rounds} rounds, {len(evidence.answers):,} answers")
                _wait(guard, lambda: _count(data_dir, OPEN) == 0, "the gaps are closed")
            evidence.forwards = upstream.received()
        _read_log(data_dir, evidence)
        problems = service.fsck(data_dir)
    return _outcome(evidence, problems, rounds=rounds, broken=broken)


def _round(
    guard: Guard, generator: Generator, evidence: Evidence, *, key: str, number: int, wait: float
) -> int:
    """Load, kill both, wait until two new ones serve; return how many requests broke."""
    started = _count(guard.data_dir, STARTED)
    generator.begin(
        Job(
            port=guard.port,
            key=key,
            connections=CONNECTIONS,
            size=1024,
            stream=number % 2 == 1,
            seconds=PATIENCE,
            start=number * NUMBERS,
            seed=number,
            answers=True,
            faults=True,
        )
    )
    time.sleep(wait)
    workers = guard.workers()
    if len(workers) != service.WORKERS:
        raise RuntimeError(f"{len(workers)} workers run, not {service.WORKERS}")
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    load = generator.end()
    evidence.answers += load.answers
    expected = started + len(workers)
    _wait(guard, lambda: _count(guard.data_dir, STARTED) >= expected, "the workers are back")
    guard.await_ready()
    return load.broken + load.failed


def _wait(guard: Guard, done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {PATIENCE:g} s in vain until {what} (port {guard.port})")
        time.sleep(POLL)


def _count(data_dir: Path, query: str) -> int:
    with closing(sqlite3.connect(f"file:{data_dir / 'log.db'}?mode=ro", uri=True)) as connection:
        return int(connection.execute(query).fetchone()[0])


def _read_log(data_dir: Path, evidence: Evidence) -> None:
    installation = open_installation(data_dir, data_dir / "guard.yaml")
    store = installation.open_log_store()
    try:
        bodies: dict[str, str] = {}
        for row in store.side_rows(LOG):
            if row.name == "body":
                bound = associated(LOG, row.leaf_id, row.name)
                plain = installation.keyring.open(row.key_id, row.value, tenant=LOG, associated=bound)
                bodies[row.leaf_id] = str(json.loads(plain[SALT:]))
        for leaf in store.leaves(LOG):
            if leaf.type == "exchange.intent":
                evidence.intents.setdefault(leaf.exchange, {})[leaf.index] = bodies[leaf.id]
            elif leaf.type == "exchange.outcome":
                evidence.outcomes[leaf.exchange] += 1
            elif leaf.type == "exchange.gap":
                evidence.gaps[leaf.exchange] += 1
    finally:
        store.close()
        installation.close()


def _outcome(evidence: Evidence, problems: list[str], *, rounds: int, broken: int) -> Outcome:
    lost, unrecorded = judge(evidence)
    intents = sum(len(records) for records in evidence.intents.values())
    return Outcome(
        measured=(
            Measured(bar="rounds", value=rounds),
            Measured(bar="lost", value=lost),
            Measured(bar="unrecorded", value=unrecorded),
            Measured(bar="problems", value=len(problems)),
        ),
        facts=(
            Fact(what="answers that came whole", value=len(evidence.answers), unit="answers"),
            Fact(what="bodies that reached the provider", value=len(evidence.forwards), unit="forwards"),
            Fact(what="intents in the log", value=intents, unit="records"),
            Fact(what="gaps in the log", value=evidence.gaps.total(), unit="records"),
            Fact(what="requests that the kills broke", value=broken, unit="requests"),
        ),
        notes=tuple(problems),
    )
