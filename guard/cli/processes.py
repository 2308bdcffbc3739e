"""Child processes that die with their parent, and a supervisor that keeps them alive."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Child", "Supervisor", "die_with_parent"]

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.2
QUICK_DEATHS = 5
"""A child that dies this often within its first second is not started again."""


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when ``parent`` ends (Linux); call first thing.

    Elsewhere it does nothing, and children are ended by the parent's own shutdown.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # The parent died between fork and prctl.
        raise SystemExit(0)


@dataclass(slots=True, kw_only=True)
class Child:
    """A command to keep running."""

    name: str
    arguments: Sequence[str]
    descriptors: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_deaths: int = 0


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Starts children, restarts those that die, ends all on SIGINT or SIGTERM."""

    children: list[Child] = field(default_factory=list)
    stopping: bool = False

    def start(self, child: Child) -> None:
        """Start ``child`` and keep it running."""
        self._spawn(child)
        self.children.append(child)

    def run(self) -> int:
        """Watch until a signal asks to stop; return the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        while not self.stopping:
            time.sleep(POLL_SECONDS)
            for child in self.children:
                if not self._revive(child):
                    self._end()
                    return 1
        self._end()
        return 0

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _spawn(self, child: Child) -> None:
        child.started = time.monotonic()
        # The command is our own interpreter with our own arguments.
        child.process = subprocess.Popen(  # noqa: S603 (no shell, nothing from outside)
            [sys.executable, "-m", "guard.cli.main", *child.arguments],
            pass_fds=child.descriptors,
            start_new_session=True,
        )

    def _revive(self, child: Child) -> bool:
        if child.process is None or child.process.poll() is None:
            return True
        if self.stopping:
            return True
        quick = time.monotonic() - child.started < 1.0
        child.quick_deaths = child.quick_deaths + 1 if quick else 0
        if child.quick_deaths >= QUICK_DEATHS:
            return False
        self._spawn(child)
        return True

    def _end(self) -> None:
        for child in self.children:
            if child.process and child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for child in self.children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
