"""Jobs in SQL. A claim is one write transaction, so that no two workers take the same job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import msgspec
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.engine import Row

from guard.domain.canonical import Json
from guard.domain.event import Record
from guard.errors import Conflict, NotFound
from guard.jobs.job import Job, JobState, Taken
from guard.storage.job_tables import jobs
from guard.storage.outbox import put

__all__ = ["SqlJobStore"]


class SqlJobStore:
    """Implements ``jobs.job.JobStore``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def submit(self, job: Job, event: Record) -> None:
        """Queue a job."""
        values = {
            "id": job.id,
            "kind": job.kind,
            "tenant": job.tenant,
            "spec": json.dumps(dict(job.spec)),
            "state": JobState.QUEUED.value,
            "attempt": 0,
            "lease": "",
            "cancelling": False,
            "progress": "{}",
            "reason": "",
            "created": job.created,
        }
        with self._writing() as connection:
            connection.execute(insert(jobs).values(values))
            put(connection, event)

    def get(self, job_id: str) -> Job:
        """Return a job. Raises ``NotFound``."""
        with self._engine.connect() as connection:
            return _get(connection, job_id)

    def list(self) -> list[Job]:
        """Return every job, newest first."""
        with self._engine.connect() as connection:
            return [_job(row) for row in connection.execute(select(jobs).order_by(jobs.c.id.desc()))]

    def claim(self, lease: str, *, alive: Callable[[str], bool], job_id: str | None = None) -> Job | None:
        """Take the oldest job that nobody living runs, or this one; ``None`` if there is none.

        A failed job is taken only if it is this one.
        """
        wanted = [JobState.QUEUED, JobState.RUNNING, *([] if job_id is None else [JobState.FAILED])]
        query = select(jobs).where(jobs.c.state.in_([state.value for state in wanted]))
        query = query.order_by(jobs.c.id).with_for_update()
        if job_id is not None:
            query = query.where(jobs.c.id == job_id)
        with self._writing() as connection:
            for job in [_job(row) for row in connection.execute(query)]:
                if job.state is JobState.RUNNING and alive(job.lease):
                    continue
                taken = {
                    "state": JobState.RUNNING.value,
                    "lease": lease,
                    "attempt": job.attempt + 1,
                    "reason": "",
                }
                connection.execute(update(jobs).where(jobs.c.id == job.id).values(taken))
                started: dict[str, Json] = {"attempt": job.attempt + 1, "job": job.id}
                put(connection, Record(tenant=job.tenant, type="job.started", fields=started))
                return _get(connection, job.id)
        return None

    def report(self, job_id: str, progress: Mapping[str, str | int], *, lease: str) -> bool:
        """Store progress; return whether somebody asked to cancel. Raises ``Taken``."""
        with self._writing() as connection:
            _change(connection, job_id, lease, {"progress": json.dumps(dict(progress))})
            return _get(connection, job_id).cancelling

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop; a queued one ends at once. Raises ``NotFound``, ``Conflict``."""
        with self._writing() as connection:
            job = _get(connection, job_id)
            if job.state.ended:
                raise Conflict(f"job {job_id} has {job.state}; there is nothing to cancel")
            values: dict[str, object] = {"cancelling": True}
            if job.state is JobState.QUEUED:
                values |= {"state": JobState.CANCELLED.value, "reason": "asked"}
                fields = {"end": JobState.CANCELLED.value, "job": job_id, "reason": "asked"}
                put(connection, Record(tenant=job.tenant, type="job.ended", fields=fields))
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(values))
            return _get(connection, job_id)

    def end(self, job_id: str, state: JobState, reason: str, event: Record, *, lease: str) -> None:
        """Say how a job ended. Raises ``Taken``."""
        with self._writing() as connection:
            _change(connection, job_id, lease, {"state": state.value, "reason": reason})
            put(connection, event)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            yield connection


def _change(connection: Connection, job_id: str, lease: str, values: Mapping[str, str]) -> None:
    """Change a job that this lease runs."""
    ours = (jobs.c.id == job_id) & (jobs.c.lease == lease) & (jobs.c.state == JobState.RUNNING.value)
    if connection.execute(update(jobs).where(ours).values(dict(values))).rowcount != 1:
        raise Taken


def _get(connection: Connection, job_id: str) -> Job:
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).first()
    if row is None:
        raise NotFound(f"no job {job_id}; see: guard train list")
    return _job(row)


def _job(row: Row[tuple[object, ...]]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        tenant=row.tenant,
        spec=msgspec.json.decode(row.spec, type=dict[str, str]),
        state=JobState(row.state),
        attempt=row.attempt,
        lease=row.lease,
        cancelling=row.cancelling,
        progress=msgspec.json.decode(row.progress, type=dict[str, str | int]),
        reason=row.reason,
        created=row.created,
    )
