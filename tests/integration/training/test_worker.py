"""Workers and jobs on real stores: who may run a job, who may end it, what a fault leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from guard.domain.event import Record
from guard.domain.model import ModelVersion, Stage
from guard.errors import AuditUnavailable, BudgetExhausted, GuardError, LedgerConflict
from guard.jobs.job import Cancelled, Job, JobState
from guard.settings import Settings
from guard.storage.installation import Installation, new_id, open_installation
from guard.training.job import Desk
from guard.worker import MOST_ATTEMPTS, Worker, opened_worker
from tests.e2e.canary import SENT, leaks
from tests.e2e.service import GUARD, run_guard
from tests.integration.training.story import Story

pytest.importorskip("opacus", reason="the extra train is not installed")

SUBMITTED = Record(tenant="default", type="job.submitted", fields={"job": "", "kind": "train", "plan": ""})
VERSION = ModelVersion(
    name="m", version=1, tenant="default", digest="a" * 64, certificate="c" * 64, dataset="sha256:d",
    job="", stage=Stage.DRAFT, card={}, created=1,
)  # fmt: skip
Run = Callable[[Job, Desk], ModelVersion]


@pytest.fixture
def data_dir(trained: Story, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.data_dir, tmp_path / "guard-data"))


@pytest.fixture
def installation(data_dir: Path) -> Iterator[Installation]:
    opened = open_installation(data_dir, Settings(data_dir=data_dir).config_path)
    yield opened
    opened.close()


@pytest.fixture
def workers(data_dir: Path) -> Iterator[Callable[[], Worker]]:
    """Return what opens a worker of its own; all are closed in the end."""
    with ExitStack() as stack:
        settings = Settings(data_dir=data_dir)
        yield lambda: stack.enter_context(opened_worker(settings, clock=lambda: 1))


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], None]:
    """Return what puts a function in the place of training."""
    return lambda run: monkeypatch.setattr("guard.training.job.run_training", run)


def submit(installation: Installation) -> str:
    job = Job(
        id=new_id(), kind="train", tenant="default", spec={"recipe": "", "name": "m", "principal": "me"}
    )
    installation.jobs.submit(job, SUBMITTED)
    return job.id


def done(job: Job, desk: Desk) -> ModelVersion:
    return replace(VERSION, job=job.id)


def test_a_worker_runs_what_is_queued_and_nothing_that_is_done(
    installation: Installation, workers: Callable[[], Worker], training: Callable[[Run], None]
) -> None:
    training(done)
    first, second = submit(installation), submit(installation)
    worker = workers()
    ran = [worker.run_next(), worker.run_next(), worker.run_next()]
    assert [job.id if job else None for job in ran] == [first, second, None]
    assert {job.state for job in ran if job} == {JobState.SUCCEEDED}


def test_a_job_of_a_living_worker_is_nobody_elses(
    installation: Installation, workers: Callable[[], Worker], training: Callable[[Run], None]
) -> None:
    job_id = submit(installation)
    other = workers()

    def watched(job: Job, desk: Desk) -> ModelVersion:
        assert other.run_next() is None and other.run_next(job_id) is None
        return done(job, desk)

    training(watched)
    ended = workers().run_next()
    assert ended and (ended.state, ended.attempt) == (JobState.SUCCEEDED, 1)


@pytest.mark.parametrize("late", [None, RuntimeError("late"), Cancelled(), LedgerConflict("moved")], ids=repr)
def test_who_was_thought_dead_ends_nothing(
    installation: Installation,
    workers: Callable[[], Worker],
    training: Callable[[Run], None],
    monkeypatch: pytest.MonkeyPatch,
    late: Exception | None,
) -> None:
    """Its lease is taken for dead while it works; whatever it then says, the other one's word stands."""
    job_id, first, second = submit(installation), workers(), workers()

    def taken_over(job: Job, desk: Desk) -> ModelVersion:
        training(done)
        with monkeypatch.context() as patched:
            patched.setattr("guard.worker.alive", lambda *_: False)
            ended = second.run_next()
        assert ended and (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)
        if late:
            raise late
        return done(job, desk)

    training(taken_over)
    assert first.run_next() is not None
    job = installation.jobs.get(job_id)
    assert (job.state, job.attempt, job.reason) == (JobState.SUCCEEDED, 2, "m version 1")


def test_a_report_of_one_that_was_thought_dead_stops_it(
    installation: Installation,
    workers: Callable[[], Worker],
    training: Callable[[Run], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit(installation)
    first, second = workers(), workers()

    def taken_over(job: Job, desk: Desk) -> ModelVersion:
        with monkeypatch.context() as patched:
            patched.setattr("guard.worker.alive", lambda *_: False)
            training(done)
            second.run_next()
        desk.report({"step": 9})
        raise AssertionError("it went on")

    training(taken_over)
    ended = first.run_next()
    assert ended and ended.state is JobState.SUCCEEDED and ended.progress == {}


FAULTS: dict[str, tuple[BaseException, JobState, str]] = {
    "a refusal": (BudgetExhausted("no room", largest=3), JobState.FAILED, "no room"),
    "an error of ours": (GuardError("what it says"), JobState.FAILED, "what it says"),
    "a foreign error": (ValueError(SENT[0]), JobState.FAILED, "ValueError; the worker's log says where"),
    "a cancel": (Cancelled(), JobState.CANCELLED, "asked"),
    "a conflict": (LedgerConflict("moved"), JobState.FAILED, "moved"),
    "a full disk": (OSError(28, SENT[1]), JobState.FAILED, "OSError; the worker's log says where"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_ends_the_job_and_says_so_without_payload(
    installation: Installation,
    workers: Callable[[], Worker],
    training: Callable[[Run], None],
    capfd: pytest.CaptureFixture[str],
    what: str,
) -> None:
    error, state, reason = FAULTS[what]

    def failing(job: Job, desk: Desk) -> ModelVersion:
        raise error

    training(failing)
    job_id = submit(installation)
    ended = workers().run_next()
    assert ended and (ended.id, ended.state, ended.reason) == (job_id, state, reason)
    said = capfd.readouterr()
    everything = b"".join(path.read_bytes() for path in installation.data_dir.rglob("*") if path.is_file())
    assert not leaks(everything + said.out.encode() + said.err.encode())


def test_a_job_that_takes_its_process_with_it_is_left_alone_after_a_while(
    installation: Installation, workers: Callable[[], Worker], training: Callable[[Run], None]
) -> None:
    job_id = submit(installation)
    for attempt in range(MOST_ATTEMPTS):
        assert installation.jobs.claim(f"dead-{attempt}", alive=lambda _: False)
    training(done)
    ended = workers().run_next()
    assert ended and ended.state is JobState.FAILED and f"it ended {MOST_ATTEMPTS} workers" in ended.reason
    assert workers().run_next() is None
    again = workers().run_next(job_id)
    assert again and again.state is JobState.SUCCEEDED, "whoever names it may try once more"


def test_a_log_that_is_away_costs_a_job_no_attempts(
    installation: Installation,
    workers: Callable[[], Worker],
    training: Callable[[Run], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(*_: object) -> int:
        raise AuditUnavailable("away")

    training(done)
    job_id = submit(installation)
    worker = workers()
    with monkeypatch.context() as patched:
        patched.setattr("guard.storage.installation.relay", away)
        for _ in range(MOST_ATTEMPTS + 1):
            with pytest.raises(AuditUnavailable):
                worker.run_next()
    assert installation.jobs.get(job_id).attempt == 0
    ended = worker.run_next()
    assert ended and (ended.state, ended.attempt) == (JobState.SUCCEEDED, 1)


def test_a_job_whose_end_could_not_be_written_is_not_forgotten(
    installation: Installation,
    workers: Callable[[], Worker],
    training: Callable[[Run], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The database was away for a moment; the worker itself lives on and takes the job again."""

    def away(*_: object, **__: object) -> None:
        raise OperationalError("x", {}, Exception())

    training(done)
    job_id = submit(installation)
    worker = workers()
    with monkeypatch.context() as patched:
        patched.setattr("guard.storage.jobs.SqlJobStore.end", away)
        with pytest.raises(OperationalError):
            worker.run_next()
    assert installation.jobs.get(job_id).state is JobState.RUNNING
    ended = worker.run_next()
    assert ended and (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2)


def test_a_cancel_reaches_a_running_job_at_its_next_report(
    installation: Installation, workers: Callable[[], Worker], training: Callable[[Run], None]
) -> None:
    def asked(job: Job, desk: Desk) -> ModelVersion:
        assert desk.report({"step": 1}) is False
        installation.jobs.cancel(job.id)
        assert desk.report({"step": 2}) is True
        raise Cancelled

    training(asked)
    job_id = submit(installation)
    workers().run_next()
    job = installation.jobs.get(job_id)
    assert (job.state, job.progress) == (JobState.CANCELLED, {"step": 2})


def test_a_worker_process_runs_a_job_to_its_end_and_leaves_when_asked(trained: Story, data_dir: Path) -> None:
    submitted = run_guard(data_dir, "train", "submit", "--detach", "--json", str(trained.recipe))
    job = json.loads(submitted.stdout)["job"]
    output = data_dir.parent / "worker.output"
    with output.open("wb") as said:
        worker = subprocess.Popen(
            [*GUARD, "worker"], env={**os.environ, "GUARD_DATA_DIR": str(data_dir)}, stdout=said, stderr=said
        )
    try:
        watched = run_guard(data_dir, "train", "watch", job)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        worker.kill()
        worker.wait()
    assert watched.returncode == 0 and "succeeded (buyers version 2)" in watched.stdout, output.read_text()
    assert "Traceback" not in output.read_text()
