"""Child processes that die with their parent, and a supervisor that keeps them alive."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

__all__ = ["Child", "Supervisor", "die_with_parent"]

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 15.0
POLL_SECONDS = 0.2
STEADY_SECONDS = 10.0
"""How long a child must have lived for its end to be no failure to start."""
PATIENCE = 3
"""So often a child may fail to start before the supervisor waits, or gives up."""
LONGEST_WAIT = 30.0
ENDED_BY_OTHERS = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT})


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
    failures: int = 0
    due: float = 0.0

    @property
    def command(self) -> str:
        """The command that the child runs; children with the same one replace each other."""
        return self.arguments[0]


@dataclass(slots=True, kw_only=True)
class Supervisor:
    """Starts children, restarts those that die, ends all on SIGINT or SIGTERM.

    A child that cannot start ends everything, so that a broken configuration is seen at
    once; but not while a sibling serves: a policy file that broke after the start must
    not take down the workers that still hold the last good one. ``clock``: seconds.
    """

    children: list[Child] = field(default_factory=list)
    stopping: bool = False
    clock: Callable[[], float] = time.monotonic

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
        child.started = self.clock()
        child.due = 0.0
        # The command is our own interpreter with our own arguments.
        child.process = subprocess.Popen(  # noqa: S603 (no shell, nothing from outside)
            [sys.executable, "-m", "guard.cli.main", *child.arguments],
            pass_fds=child.descriptors,
            start_new_session=True,
        )

    def _revive(self, child: Child) -> bool:
        """Start ``child`` again if it has ended; return false to give up."""
        code = None if child.process is None else child.process.poll()
        now = self.clock()
        if code is None or self.stopping or now < child.due:
            return True
        if not child.due:
            failed = code not in ENDED_BY_OTHERS and now - child.started < STEADY_SECONDS
            child.failures = child.failures + 1 if failed else 0
            if child.failures >= PATIENCE:
                if not self._replaced(child):
                    return False
                child.due = now + min(LONGEST_WAIT, child.failures)
                return True
        self._spawn(child)
        return True

    def _replaced(self, child: Child) -> bool:
        """Return whether another child with the same command is up."""
        return any(
            other is not child
            and other.command == child.command
            and other.process is not None
            and other.process.poll() is None
            and self.clock() - other.started >= STEADY_SECONDS
            for other in self.children
        )

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
