"""Whether a caller with hostile texts slows the others down.

Requests of 1 KB come at a fixed rate, whatever happens to those before them, and their
latency counts from the moment when they were due. Phases with and without the hostile
caller take turns, so that a slow moment of the machine hits both alike.
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gateway import service
from benchmarks.gateway.chat import Kind
from benchmarks.gateway.load import Job
from benchmarks.gateway.service import Generator
from benchmarks.outcome import Fact, Measured, Outcome, Say

__all__ = ["measure"]

PHASES = 5
REQUESTS = 1_000
RATE = 100.0
CONNECTIONS = 16
HOSTILE_BYTES = 2**20
NUMBERS = 1_000_000


def measure(*, seed: int, say: Say) -> Outcome:
    """Measure p99 without and beside one hostile request a second."""
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder, service.stub() as upstream:
        data_dir = Path(folder) / "guard-data"
        key = service.installed(data_dir, upstream)
        with service.guard(data_dir) as guard, service.loads() as callers, service.loads() as attacker:
            numbers = itertools.count(step=NUMBERS)
            _phase(callers, guard.port, key, seed, numbers)
            alone: list[float] = []
            beside: list[float] = []
            attacks = 0
            for phase in range(PHASES):
                alone += _phase(callers, guard.port, key, seed, numbers)
                attacker.begin(_attack(guard.port, key, seed, numbers))
                beside += _phase(callers, guard.port, key, seed, numbers)
                attack = attacker.end()
                attacks += len(attack.whole) + attack.failed
                say(f"phase {phase + 1} of {PHASES}: p99 {_p99(alone):.1f} ms, beside {_p99(beside):.1f} ms")
    return Outcome(
        measured=(
            Measured(bar="slower", value=_p99(beside) / _p99(alone)),
            Measured(bar="requests", value=len(beside)),
        ),
        facts=(
            Fact(what="p99 without hostile requests", value=_p99(alone), unit="ms"),
            Fact(what="p99 beside them", value=_p99(beside), unit="ms"),
            Fact(what="p50 without hostile requests", value=statistics.median(alone), unit="ms"),
            Fact(what="p50 beside them", value=statistics.median(beside), unit="ms"),
            Fact(what="hostile requests of 1 MB", value=attacks, unit="requests"),
        ),
    )


def _phase(callers: Generator, port: int, key: str, seed: int, numbers: Iterator[int]) -> list[float]:
    return callers.run(
        Job(
            port=port,
            key=key,
            connections=CONNECTIONS,
            size=1024,
            stream=False,
            requests=REQUESTS,
            rate=RATE,
            start=next(numbers),
            seed=seed,
        )
    ).whole


def _attack(port: int, key: str, seed: int, numbers: Iterator[int]) -> Job:
    """One request a second for as long as a phase takes."""
    return Job(
        port=port,
        key=key,
        connections=4,
        size=HOSTILE_BYTES,
        stream=False,
        requests=int(REQUESTS / RATE),
        rate=1.0,
        start=next(numbers) // NUMBERS * int(REQUESTS / RATE),
        seed=seed,
        faults=True,
        kind=Kind.ATTACK,
    )


def _p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98]
