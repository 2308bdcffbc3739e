"""The load generator: keep-alive connections in a closed loop, in a process of its own.

Reads one job a line from standard input, as JSON, and writes its measurement as one line.
A job is a ``Job``; its measurement is a ``Load``. Cheap on purpose: the two cores belong
to what is measured.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
import time
from typing import cast

import msgspec
import uvloop

from benchmarks.gateway.chat import Kind, Pool
from benchmarks.gateway.wire import Messages, request
from guard.cli.processes import die_with_parent

__all__ = ["BODIES", "Answer", "Job", "Load", "main"]

REQUEST_ID = re.compile(rb"\r\nx-guard-request: ([0-9a-f-]{36})\r\n")
RECORD = re.compile(rb"\r\nx-guard-record: ([0-9]+)\r\n")
CONNECT_SECONDS = 10.0
STDOUT = 1
BODIES = 40
"""So many different bodies are made before a job begins."""


class Job(msgspec.Struct, kw_only=True, frozen=True):
    """What to send where. Ends after ``seconds``, or after ``requests`` if they are given.

    ``rate``: requests a second over all connections, at fixed moments, with latency
    counted from the moment when a request was due; 0 sends as fast as answers come.
    ``start``: the number of the first body. ``answers``: report each answer's ids.
    ``faults``: connections may break and answers may be errors (they are counted).
    """

    port: int
    key: str
    connections: int
    size: int
    stream: bool
    start: int
    seed: int
    seconds: float = 3600.0
    requests: int = 0
    rate: float = 0.0
    answers: bool = False
    faults: bool = False
    kind: Kind = Kind.CHAT


class Answer(msgspec.Struct, frozen=True):
    """An answer that came whole: its exchange and the index of its intent."""

    exchange: str
    record: int


class Load(msgspec.Struct, kw_only=True):
    """A measurement. ``whole`` and ``first``: ms to the last and to the first byte."""

    seconds: float
    whole: list[float]
    first: list[float]
    failed: int
    broken: int
    sample: str
    answers: list[Answer]


class _Run:
    """One job under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.load = Load(seconds=0.0, whole=[], first=[], failed=0, broken=0, sample="", answers=[])
        pool = Pool.make(random.Random(job.seed), job.kind, size=job.size, stream=job.stream, count=BODIES)
        self._bodies = pool.bodies(job.start)
        self._sent = 0
        self._open = job.connections
        self.ended = asyncio.get_running_loop().create_future()
        self.began = 0.0

    def next(self) -> tuple[bytes, float] | None:
        """Return the next request and the moment when it is due, or ``None`` at the end."""
        job = self.job
        now = time.perf_counter()
        due = self.began + self._sent / job.rate if job.rate else now
        over = self._sent >= job.requests if job.requests else due - self.began >= job.seconds
        if over:
            return None
        self._sent += 1
        return request("/v1/chat/completions", next(self._bodies), job.key), due

    def closed(self) -> None:
        """Count a connection out; the last one ends the job."""
        self._open -= 1
        if self._open == 0 and not self.ended.done():
            self.load.seconds = time.perf_counter() - self.began
            self.ended.set_result(None)


class _Caller(Messages):
    def __init__(self, run: _Run) -> None:
        super().__init__()
        self._run = run
        self._transport = asyncio.WriteTransport()
        self._due = 0.0
        self._first = 0.0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._waiting:
            self._run.load.broken += 1
        self._run.closed()

    def go_on(self) -> None:
        """Send the next request when it is due, or close."""
        following = self._run.next()
        if following is None:
            self._transport.close()
            return
        raw, self._due = following
        wait = self._due - time.perf_counter()
        if wait > 0:
            asyncio.get_running_loop().call_later(wait, self._send, raw)
        else:
            self._send(raw)

    def _send(self, raw: bytes) -> None:
        if not self._transport.is_closing():
            self._waiting = True
            self._transport.write(raw)

    def begun(self) -> None:
        self._first = time.perf_counter()

    def message(self, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        load = self._run.load
        self._waiting = False
        if head.startswith(b"HTTP/1.1 200 "):
            load.whole.append((now - self._due) * 1000)
            load.first.append((self._first - self._due) * 1000)
            if self._run.job.answers:
                exchange, record = REQUEST_ID.search(head), RECORD.search(head)
                load.answers.append(
                    Answer(
                        exchange.group(1).decode() if exchange else "",
                        int(record.group(1)) if record else -1,
                    )
                )
            if not load.sample:
                load.sample = body.decode("utf-8", "replace")
        else:
            load.failed += 1
            if not self._run.job.faults:
                load.sample = (head + body).decode("utf-8", "replace")
        self.go_on()


async def perform(job: Job) -> Load:
    """Do one job."""
    loop = asyncio.get_running_loop()
    run = _Run(job)
    callers: list[_Caller] = []
    deadline = time.perf_counter() + CONNECT_SECONDS
    while len(callers) < job.connections:
        try:
            _, caller = await loop.create_connection(lambda: _Caller(run), "127.0.0.1", job.port)
        except OSError:
            if not job.faults or time.perf_counter() > deadline:
                raise
            continue
        callers.append(caller)
    run.began = time.perf_counter()
    for caller in callers:
        caller.go_on()
    await run.ended
    return run.load


def main() -> None:
    """Do the jobs of standard input until it ends."""
    die_with_parent(os.getppid())
    for line in sys.stdin.buffer:
        load = uvloop.run(perform(msgspec.json.decode(line, type=Job)))
        left = memoryview(msgspec.json.encode(load) + b"\n")
        while left:
            # A pipe may take a part only.
            left = left[os.write(STDOUT, left) :]


if __name__ == "__main__":
    main()
