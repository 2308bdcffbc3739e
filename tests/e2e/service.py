"""A real ``guard serve`` in its own process and data directory."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import openai

GUARD = (sys.executable, "-m", "guard.cli.main")
START_SECONDS = 60.0
START_ATTEMPTS = 3
TAKEN = "Address already in use"


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run_guard(data_dir: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run one ``guard`` command on a data directory."""
    environment = {**os.environ, "GUARD_DATA_DIR": str(data_dir)}
    return subprocess.run(
        [*GUARD, *arguments],
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@dataclass(slots=True, kw_only=True)
class Service:
    """A running service. ``file_limit``: bytes that any of its files may have."""

    data_dir: Path
    workers: int = 2
    file_limit: int | None = None
    port: int = field(default_factory=free_port)
    demo_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address that an application is pointed at."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> Path:
        """Everything that the service wrote to its standard streams."""
        return self.data_dir.parent / f"{self.data_dir.name}.output"

    def start(self) -> None:
        """Start and wait until it is ready, on other ports if somebody else took these meanwhile."""
        for _ in range(START_ATTEMPTS):
            if self._starts():
                return
            said = self.output.read_text()[-4000:]
            if TAKEN not in said[-400:]:
                break
            self.port, self.demo_port = free_port(), free_port()
        raise AssertionError(f"not ready: {said}")

    def _starts(self) -> bool:
        environment = {
            **os.environ,
            "GUARD_DATA_DIR": str(self.data_dir),
            "GUARD_PORT": str(self.port),
            "GUARD_DEMO_PORT": str(self.demo_port),
            "GUARD_WORKERS": str(self.workers),
        }
        limit = self.file_limit

        def limited() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*GUARD, "serve", "--no-worker"],
                env=environment,
                stdout=output,
                stderr=output,
                preexec_fn=limited,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            if self.ready():
                return True
        return False

    def ready(self) -> bool:
        """Whether it answers that it is ready."""
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def stop(self) -> int:
        """Ask it to stop as Ctrl-C does; return its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def worker_pids(self) -> list[int]:
        """Return the process ids of its workers."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                command = (folder / "cmdline").read_bytes()
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if self.process and parent == self.process.pid and b"serve-worker" in command:
                found.append(int(folder.name))
        return found

    def get(self, path: str, *, port: int | None = None) -> tuple[int, bytes]:
        """Fetch a page without a key."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def key(self, application: str = "tests", *options: str) -> str:
        """Return a key of an application, issued once a name and options."""
        name = " ".join((application, *options))
        if name not in self.keys:
            done = run_guard(self.data_dir, "keys", "issue", "--application", application, "--json", *options)
            assert done.returncode == 0, done.stderr
            self.keys[name] = json.loads(done.stdout)["key"]
            self._wait_for(self.keys[name])
        return self.keys[name]

    def _wait_for(self, key: str) -> None:
        """Every worker knows a new key within a second; ask many at once until all agree.

        At once, because one worker may take every connection of a caller that waits for each.
        """
        deadline = time.monotonic() + 20
        agreed = 0
        with ThreadPoolExecutor(16) as pool:
            while agreed < 3 and time.monotonic() < deadline:
                answers = pool.map(lambda _: self.call("GET", "/v1/models", key=key)[0], range(16))
                agreed = agreed + 1 if set(answers) == {200} else 0

    def client(self, application: str = "tests", *options: str) -> openai.OpenAI:
        """Return the official client with a key of ``application``."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1", api_key=self.key(application, *options), max_retries=0
        )

    def received(self) -> list[str]:
        """Return the last bodies that the demo model received, oldest first."""
        bodies: list[str] = json.loads(self.get("/received", port=self.demo_port)[1])
        return bodies

    def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request as it is; return status, lower-case headers and body."""
        sent = {"content-type": "application/json", **(headers or {})}
        if key:
            sent["authorization"] = f"Bearer {key}"
        request = urllib.request.Request(
            f"{self.url}{path}", data=body if method == "POST" else None, headers=sent, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, _lower(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, _lower(error.headers), error.read()

    def chat(self, body: bytes, **options: object) -> tuple[int, dict[str, str], bytes]:
        """Send one chat body."""
        key = options.pop("key", None) or self.key()
        return self.call("POST", "/v1/chat/completions", body, key=str(key), **options)  # type: ignore[arg-type]


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def stop_quietly(service: Service) -> None:
    """End a service that a test has maimed."""
    if service.process and service.process.poll() is None:
        service.process.send_signal(signal.SIGTERM)
        try:
            service.process.wait(20)
        except subprocess.TimeoutExpired:
            service.process.kill()
            service.process.wait()
