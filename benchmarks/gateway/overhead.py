"""What Guard costs beside a bare pass-through and a direct call, all in one run.

Rounds are interleaved: in each, every case runs against all three, so that a slow moment
of the machine hits them alike. A figure is the median over the rounds of what each round
says by itself.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gateway import service
from benchmarks.gateway.chat import Kind
from benchmarks.gateway.load import BODIES, Job, Load
from benchmarks.gateway.service import Generator
from benchmarks.outcome import Fact, Measured, Outcome, Say

__all__ = ["measure"]

ROUNDS = 5
SECONDS = 2.0
STARTS = 5
MEMORY_REQUESTS = 1_000
SYNCS = 100
LEAF = 600
TARGETS = ("direct", "pass-through", "guard")
NUMBERS = 10_000_000
"""Bodies are numbered apart by so much, so that no two of a run are alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of request."""

    kilobytes: int
    connections: int
    stream: bool
    kind: Kind = Kind.CHAT

    def __str__(self) -> str:
        form = "streamed" if self.stream else "plain"
        return f"{self.kilobytes} KB {form}" + (" in one new message" if self.kind is Kind.FRESH else "")

    def job(self, *, port: int, key: str, start: int, seed: int) -> Job:
        """Return a job that sends such requests for a while."""
        return Job(
            port=port,
            key=key,
            connections=self.connections,
            size=self.kilobytes * 1024,
            stream=self.stream,
            kind=self.kind,
            seconds=SECONDS,
            start=start,
            seed=seed,
        )


BARRED = tuple(
    Case(kilobytes=kilobytes, connections=connections, stream=stream)
    for kilobytes in (1, 20)
    for stream in (False, True)
    for connections in (1, 32)
)
CASES = (
    *BARRED,
    *(Case(kilobytes=20, connections=connections, stream=False, kind=Kind.FRESH) for connections in (1, 32)),
)
"""The issue's cases, and what a text costs of which nothing was seen before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """What one target gave for one case in one round: requests a second and p50 in ms."""

    rate: float
    whole: float
    first: float


Samples = dict[tuple[Case, str], list[_Sample]]


def measure(*, seed: int, say: Say) -> Outcome:
    """Measure everything."""
    with tempfile.TemporaryDirectory(prefix="guard-bench-") as folder, service.stub() as upstream:
        data_dir = Path(folder) / "guard-data"
        key = service.installed(data_dir, upstream)
        starts = [_start(data_dir) for _ in range(STARTS)]
        say(f"started in {statistics.median(starts):.2f} s")
        with service.passthrough(upstream) as bare, service.guard(data_dir) as guard:
            ports = {"direct": upstream.port, "pass-through": bare, "guard": guard.port}
            with service.loads() as generator:
                memory = _memory(generator, guard, key, seed)
                say(f"{memory:.0f} MB after {MEMORY_REQUESTS} requests")
                samples, syncs = _rounds(
                    generator, ports=ports, key=key, seed=seed, folder=Path(folder), say=say
                )
    return _outcome(samples, statistics.median(syncs), memory, starts)


def _start(data_dir: Path) -> float:
    began = time.perf_counter()
    with service.guard(data_dir):
        return time.perf_counter() - began


def _memory(generator: Generator, guard: service.Guard, key: str, seed: int) -> float:
    """Return the PSS (MB) of the largest worker after so many requests, half of them of 20 KB."""
    for number, kilobytes in enumerate((1, 20)):
        generator.run(
            Job(
                port=guard.port,
                key=key,
                connections=8,
                size=kilobytes * 1024,
                stream=False,
                requests=MEMORY_REQUESTS // 2,
                start=number * NUMBERS,
                seed=seed,
            )
        )
    return max(_pss(pid) for pid in guard.workers())


def _pss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(":")
        if name == "Pss":
            return int(rest.split()[0]) * 1024 / 1e6
    raise RuntimeError("the kernel tells no PSS")


def _rounds(
    generator: Generator, *, ports: dict[str, int], key: str, seed: int, folder: Path, say: Say
) -> tuple[Samples, list[float]]:
    samples: Samples = {(case, target): [] for case in CASES for target in TARGETS}
    syncs: list[float] = []
    numbers = _numbers()
    # Conversations go on: each worker has seen what is resent, as it has in life.
    generator.run(_before(ports["guard"], key, seed))
    for number in range(ROUNDS):
        syncs.append(_fdatasync(folder))
        for case in CASES:
            for target in _turned(number):
                job = case.job(port=ports[target], key=key, start=next(numbers), seed=seed)
                samples[case, target].append(_sample(generator.run(job)))
        say(f"round {number + 1} of {ROUNDS}")
    return samples, syncs


def _before(port: int, key: str, seed: int) -> Job:
    """Send every conversation often enough for each worker to get it."""
    return Job(
        port=port,
        key=key,
        connections=32,
        size=20 * 1024,
        stream=False,
        requests=BODIES * 16,
        start=9 * NUMBERS,
        seed=seed,
    )


def _numbers() -> Iterator[int]:
    number = 10
    while True:
        yield number * NUMBERS
        number += 1


def _turned(number: int) -> tuple[str, ...]:
    """Return the targets, another one first in each round."""
    at = number % len(TARGETS)
    return TARGETS[at:] + TARGETS[:at]


def _sample(load: Load) -> _Sample:
    return _Sample(
        rate=len(load.whole) / load.seconds,
        whole=statistics.median(load.whole),
        first=statistics.median(load.first),
    )


def _fdatasync(folder: Path) -> float:
    """Return the p50 (ms) of writing 600 bytes and a bare fdatasync, where the log is."""
    times = []
    descriptor = os.open(folder / "sync", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(SYNCS):
            began = time.perf_counter()
            os.write(descriptor, bytes(LEAF))
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - began) * 1000)
    finally:
        os.close(descriptor)
    return statistics.median(times)


def _outcome(samples: Samples, sync: float, memory: float, starts: list[float]) -> Outcome:
    measured = [*_throughput(samples), *_added(samples, 2 * sync)]
    measured.append(Measured(bar="memory", value=memory))
    measured.append(Measured(bar="start", value=statistics.median(starts)))
    facts = [Fact(what="p50 of a bare 600-byte fdatasync", value=sync, unit="ms")]
    for case in CASES:
        for target in TARGETS:
            facts += _facts(case, target, samples[case, target])
    return Outcome(measured=tuple(measured), facts=tuple(facts))


def _throughput(samples: Samples) -> Iterator[Measured]:
    for case in BARRED:
        if case.connections > 1:
            ratios = [
                guard.rate / bare.rate
                for guard, bare in zip(samples[case, "guard"], samples[case, "pass-through"], strict=True)
            ]
            yield Measured(bar="throughput", case=str(case), value=100 * statistics.median(ratios))


def _added(samples: Samples, allowance: float) -> Iterator[Measured]:
    for case in BARRED:
        if case.connections == 1:
            added = [
                guard.whole - direct.whole
                for guard, direct in zip(samples[case, "guard"], samples[case, "direct"], strict=True)
            ]
            yield Measured(bar="added", case=str(case), value=statistics.median(added), allowance=allowance)


def _facts(case: Case, target: str, found: list[_Sample]) -> Iterator[Fact]:
    if case.connections > 1:
        rate = statistics.median(sample.rate for sample in found)
        yield Fact(what=f"{target}, {case}, 32 connections", value=rate, unit="requests/s")
        return
    whole = statistics.median(sample.whole for sample in found)
    yield Fact(what=f"{target}, {case}, p50 to the last byte", value=whole, unit="ms")
    if case.stream:
        first = statistics.median(sample.first for sample in found)
        yield Fact(what=f"{target}, {case}, p50 to the first byte", value=first, unit="ms")
