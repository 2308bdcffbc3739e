"""Jobs and model versions in SQL: claims, cancels, stages, and the events that go with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from guard.domain.event import Record
from guard.domain.model import ModelVersion, Stage
from guard.errors import ConfigurationError, Conflict, NotFound
from guard.jobs.job import Job, JobState, Taken
from guard.registry.cards import FIELDS, check_card
from guard.registry.versions import catalogued, registered, staged
from guard.storage.database import open_database
from guard.storage.jobs import SqlJobStore
from guard.storage.migrate import upgrade
from guard.storage.models import SqlModelStore
from guard.storage.tables import outbox

SUBMITTED = Record(tenant="default", type="job.submitted", fields={"job": "a", "kind": "train", "plan": ""})
VERSION = ModelVersion(
    name="income",
    version=1,
    tenant="default",
    digest="a" * 64,
    certificate="c" * 64,
    dataset="sha256:d",
    job="j1",
    stage=Stage.DRAFT,
    card=dict.fromkeys(FIELDS, "said"),
    created=1,
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path / 'guard.db'}")
    upgrade(made, "guard")
    yield made
    made.dispose()


def events(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return [
            json.loads(row.record)["type"] for row in connection.execute(select(outbox).order_by(outbox.c.id))
        ]


def job(name: str) -> Job:
    return Job(id=name, kind="train", tenant="default", spec={"recipe": "x"}, created=1)


def test_a_job_is_claimed_once_and_again_when_its_process_died(engine: Engine) -> None:
    store = SqlJobStore(engine)
    store.submit(job("a"), SUBMITTED)
    first = store.claim("boot-1", alive=lambda _: True)
    assert first and (first.state, first.attempt, first.lease) == (JobState.RUNNING, 1, "boot-1")
    assert store.claim("boot-2", alive=lambda _: True) is None
    again = store.claim("boot-2", alive=lambda lease: lease != "boot-1")
    assert again and (again.attempt, again.lease) == (2, "boot-2")
    ended = Record(tenant="default", type="job.ended", fields={})
    with pytest.raises(Taken):
        store.report("a", {"step": 1}, lease="boot-1")
    with pytest.raises(Taken):
        store.end("a", JobState.FAILED, "", ended, lease="boot-1")
    assert store.get("a") == again, "who was thought dead changes nothing any more"
    store.end("a", JobState.SUCCEEDED, "", ended, lease="boot-2")
    with pytest.raises(Taken):
        store.end("a", JobState.FAILED, "", ended, lease="boot-2")
    assert store.claim("boot-3", alive=lambda _: False) is None
    assert events(engine) == ["job.submitted", "job.started", "job.started", "job.ended"]


def test_a_failed_job_is_taken_by_name_alone(engine: Engine) -> None:
    store = SqlJobStore(engine)
    store.submit(job("a"), SUBMITTED)
    store.claim("boot-1", alive=lambda _: True)
    store.end(
        "a", JobState.FAILED, "full", Record(tenant="default", type="job.ended", fields={}), lease="boot-1"
    )
    assert store.claim("boot-2", alive=lambda _: False) is None
    again = store.claim("boot-2", alive=lambda _: False, job_id="a")
    assert again and (again.state, again.attempt, again.reason) == (JobState.RUNNING, 2, "")


@pytest.mark.parametrize("end", [JobState.SUCCEEDED, JobState.CANCELLED])
def test_what_is_done_is_not_taken_at_all(engine: Engine, end: JobState) -> None:
    store = SqlJobStore(engine)
    store.submit(job("a"), SUBMITTED)
    store.claim("boot-1", alive=lambda _: True)
    store.end("a", end, "", Record(tenant="default", type="job.ended", fields={}), lease="boot-1")
    assert store.claim("boot-2", alive=lambda _: False, job_id="a") is None


def test_of_many_workers_one_gets_each_job(engine: Engine) -> None:
    store = SqlJobStore(engine)
    for number in range(20):
        store.submit(job(f"job-{number:02d}"), SUBMITTED)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda n: store.claim(f"boot-{n}", alive=lambda _: True), range(40)))
    names = [claimed.id for claimed in taken if claimed]
    assert sorted(names) == sorted(set(names)) and len(names) == 20


def test_cancelling_ends_a_queued_job_and_asks_a_running_one(engine: Engine) -> None:
    store = SqlJobStore(engine)
    store.submit(job("a"), SUBMITTED)
    assert store.cancel("a").state is JobState.CANCELLED
    with pytest.raises(Conflict, match="nothing to cancel"):
        store.cancel("a")
    store.submit(job("b"), SUBMITTED)
    store.claim("boot", alive=lambda _: True)
    assert store.report("b", {"step": 1}, lease="boot") is False
    assert store.cancel("b").cancelling
    assert store.report("b", {"step": 2}, lease="boot") is True
    assert store.get("b").progress == {"step": 2}
    with pytest.raises(NotFound, match="guard train list"):
        store.cancel("c")


def test_one_version_of_a_model_is_in_production(engine: Engine) -> None:
    store = SqlModelStore(engine)
    store.add(VERSION, registered(VERSION, "me"))
    second = replace(VERSION, version=2, job="j2", digest="b" * 64)
    store.add(second, registered(second, "me"))
    store.stage(VERSION, Stage.PRODUCTION, staged(VERSION, Stage.PRODUCTION, "me"))
    before = store.version()
    store.stage(second, Stage.PRODUCTION, staged(second, Stage.PRODUCTION, "me"))
    assert store.version() > before
    assert {(found.version, found.stage) for found in store.list()} == {
        (1, Stage.RETIRED),
        (2, Stage.PRODUCTION),
    }
    (served,) = catalogued(store.list(), provider="models", region="local")
    assert served.name == "income" and served.lineage[0] == f"model:{'b' * 64}"
    assert events(engine)[-1] == "model.staged"


def test_a_version_is_registered_once(engine: Engine) -> None:
    store = SqlModelStore(engine)
    store.add(VERSION, registered(VERSION, "me"))
    with pytest.raises(Conflict):
        store.add(VERSION, registered(VERSION, "me"))
    with pytest.raises(Conflict):
        store.add(replace(VERSION, version=2), registered(VERSION, "me"))
    with pytest.raises(NotFound, match="guard models list"):
        store.find("other")


def test_a_card_says_all_that_it_must() -> None:
    check_card(VERSION.card)
    with pytest.raises(ConfigurationError, match=r"owner \(who answers for it\)"):
        check_card({**VERSION.card, "owner": " "})
