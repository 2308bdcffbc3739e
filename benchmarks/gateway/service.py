"""The processes of a benchmark: stub provider, pass-through, Guard itself, load generator.

Each is started and ended here; nothing listens on anything but 127.0.0.1.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.environment import ROOT
from benchmarks.gateway.load import Job, Load

__all__ = ["Generator", "Guard", "Stub", "fsck", "guard", "installed", "loads", "passthrough", "stub"]

WORKERS = 2
READY_SECONDS = 60.0
END_SECONDS = 30.0
POLL_SECONDS = 0.005
CONFIGURATION = """
providers:
  - {{name: stub, dialect: openai, base_url: "http://127.0.0.1:{port}/v1"}}
models:
  - {{name: "bench-*", targets: [{{provider: stub, model: same}}]}}
policies: {{source: file, path: policies}}
enforcement: enforce
audit: {{mode: strict}}
database: sqlite:///guard.db
"""


def _listener() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    return listener


@contextmanager
def _process(arguments: Sequence[str], *, listener: socket.socket | None = None) -> Iterator[int]:
    """Run a Python process of ours until the block ends; gives its process id."""
    descriptors = (listener.fileno(),) if listener else ()
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, pass_fds=descriptors)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(END_SECONDS)


def get(port: int, path: str) -> tuple[int, bytes]:
    """Fetch a page of a process on this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def _await_answer(port: int, path: str, status: int, *, gone: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until ``path`` answers with ``status``. Raises ``RuntimeError`` if it never does."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if gone is not None and gone.poll() is not None:
            raise RuntimeError(f"the process ended with code {gone.returncode}")
        try:
            answered = get(port, path)[0]
        except OSError:
            answered = 0  # it does not listen yet
        if answered == status:
            return
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"nothing answered {path} within {READY_SECONDS:g} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """A running stub provider."""

    port: int

    def received(self) -> list[str]:
        """Return the SHA-256 of every body that it got (started to remember them)."""
        listed: list[str] = json.loads(get(self.port, "/received")[1])
        return listed


@contextmanager
def stub(*, remember: bool = False) -> Iterator[Stub]:
    """Run a stub provider."""
    with _listener() as listener:
        port = int(listener.getsockname()[1])
        options = ["--descriptor", str(listener.fileno()), *(["--remember"] if remember else [])]
        with _process(["-m", "benchmarks.gateway.stub", *options], listener=listener):
            _await_answer(port, "/received", 200)
            yield Stub(port=port)


@contextmanager
def passthrough(upstream: Stub) -> Iterator[int]:
    """Run the bare pass-through; gives its port."""
    with ExitStack() as stack:
        listener = stack.enter_context(_listener())
        port = int(listener.getsockname()[1])
        url = f"http://127.0.0.1:{upstream.port}/v1"
        arguments = ["-m", "benchmarks.gateway.passthrough", "--descriptor", str(listener.fileno())]
        for _ in range(WORKERS):
            stack.enter_context(_process([*arguments, "--upstream", url], listener=listener))
        _await_answer(port, "/ready", 404)
        yield port


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A running ``guard serve``."""

    port: int
    pid: int
    data_dir: Path

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="utf-8").split()
        return [int(pid) for pid in children if _command(int(pid), b"serve-worker")]

    def await_ready(self) -> None:
        """Wait until it says that it is ready."""
        _await_answer(self.port, "/readyz", 200)


def _command(pid: int, word: bytes) -> bool:
    try:
        return word in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _guard_command(data_dir: Path, *arguments: str, codes: Sequence[int] = (0,)) -> bytes:
    """Run a command of ours. Raises ``RuntimeError`` for any other exit code."""
    environment = {**os.environ, "GUARD_DATA_DIR": str(data_dir)}
    done = subprocess.run(
        [sys.executable, "-m", "guard.cli.main", *arguments],
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode not in codes:
        raise RuntimeError(f"guard {arguments[0]}: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
    return done.stdout


def installed(data_dir: Path, upstream: Stub) -> str:
    """Make an installation that leads to ``upstream``; return a key for it."""
    _guard_command(data_dir, "init")
    (data_dir / "guard.yaml").write_text(CONFIGURATION.format(port=upstream.port), encoding="utf-8")
    issued = _guard_command(data_dir, "keys", "issue", "--application", "bench", "--json")
    key: str = json.loads(issued)["key"]
    return key


def fsck(data_dir: Path) -> list[str]:
    """Return what ``guard audit fsck`` finds wrong."""
    told = json.loads(_guard_command(data_dir, "audit", "fsck", "--json", codes=(0, 1)))
    problems: list[str] = told["problems"]
    return problems


@contextmanager
def guard(data_dir: Path, *, workers: int = WORKERS) -> Iterator[Guard]:
    """Run ``guard serve`` on an installation until the block ends, as Ctrl-C would end it."""
    with _listener() as probe:
        port = int(probe.getsockname()[1])
    environment = {
        **os.environ,
        "GUARD_DATA_DIR": str(data_dir),
        "GUARD_PORT": str(port),
        "GUARD_WORKERS": str(workers),
    }
    with (data_dir.parent / f"{data_dir.name}.output").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "guard.cli.main", "serve"], env=environment, stdout=output, stderr=output
        )
    try:
        _await_answer(port, "/readyz", 200, gone=process)
        yield Guard(port=port, pid=process.pid, data_dir=data_dir)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(END_SECONDS)


class Generator:
    """A running load generator."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def begin(self, job: Job) -> None:
        """Start a job; ``end`` waits for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(job) + b"\n")
        self._process.stdin.flush()

    def end(self) -> Load:
        """Wait for the job and return its measurement. Raises ``RuntimeError`` if it died."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator ended before its job")
        return msgspec.json.decode(line, type=Load)

    def run(self, job: Job) -> Load:
        """Do one job, in which no answer may fail. Raises ``RuntimeError`` if one does."""
        self.begin(job)
        load = self.end()
        if load.failed or load.broken:
            raise RuntimeError(f"{load.failed} answers failed, {load.broken} broke: {load.sample[:400]}")
        return load


@contextmanager
def loads() -> Iterator[Generator]:
    """Run a load generator."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.gateway.load"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        yield Generator(process)
    finally:
        process.terminate()
        process.wait(END_SECONDS)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
