"""A job and its states, and the port that keeps jobs.

::

    queued → running → succeeded | failed | cancelled
                 ↑________________|  by name, once what stopped it is mended

A running job belongs to the process whose lease it names. When that lease is dead, any
worker may claim the job again (``attempt`` + 1) and resume it; the process that held it
before can then neither report nor end it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from guard.domain.event import Record

__all__ = ["Cancelled", "Job", "JobState", "JobStore", "Taken"]


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of long work.

    ``spec``: what to do, for the code of its ``kind``. ``lease``: the process that runs it.
    ``progress``: figures for people. ``reason``: why it ended, without payload.
    """

    id: str
    kind: str
    tenant: str
    spec: Mapping[str, str]
    state: JobState = JobState.QUEUED
    attempt: int = 0
    lease: str = ""
    cancelling: bool = False
    progress: Mapping[str, str | int] = field(default_factory=dict)
    reason: str = ""
    created: int = 0
    """µs since 1970."""


class Cancelled(Exception):
    """Raised inside a job where somebody asked to stop it."""


class Taken(Exception):
    """Raised inside a job that another process has taken over: what it holds is no longer ours."""


class JobStore(Protocol):
    """Where jobs are kept. Every change is one transaction with its event."""

    def submit(self, job: Job, event: Record) -> None:
        """Queue a job."""
        ...

    def get(self, job_id: str) -> Job:
        """Return a job. Raises ``NotFound``."""
        ...

    def list(self) -> list[Job]:
        """Return every job, newest first."""
        ...

    def claim(self, lease: str, *, alive: Callable[[str], bool], job_id: str | None = None) -> Job | None:
        """Take the oldest job that nobody living runs, or this one; ``None`` if there is none.

        A failed job is taken only if it is this one.
        """
        ...

    def report(self, job_id: str, progress: Mapping[str, str | int], *, lease: str) -> bool:
        """Store progress; return whether somebody asked to cancel. Raises ``Taken``."""
        ...

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; a queued one ends at once. Raises ``NotFound``, ``Conflict``."""
        ...

    def end(self, job_id: str, state: JobState, reason: str, event: Record, *, lease: str) -> None:
        """Say how a job ended. Raises ``Taken``."""
        ...
