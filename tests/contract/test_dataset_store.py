"""What every store of datasets promises, in memory and in SQL; and what only SQL can be tampered with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from guard.datasets.identity import Sketch
from guard.datasets.ingest import registered
from guard.datasets.plan import DatasetStore
from guard.domain.dataset import Column, ColumnKind, ColumnTransform, Dataset, Shard, TransformWord
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import Conflict, NotFound
from guard.storage.database import open_database
from guard.storage.datasets import SqlDatasetStore
from guard.storage.migrate import upgrade
from guard.storage.tables import outbox
from tests.fakes.datasets import MemoryDatasetStore

SKETCH = Sketch(rows=7, level=3, marks=frozenset({5, 1 << 60, 17}), columns=(3, 3, (1 << 64) - 1))
EMPTY = Sketch(rows=0, level=0, marks=frozenset(), columns=())


def dataset(name: str, created: int = 1) -> Dataset:
    draft = Dataset(
        id="",
        name=name,
        tenant="default",
        identity=f"sha256:{name}",
        root=f"sha256:{name}",
        parent=None,
        unit=PrivacyUnit(kind=UnitKind.USER, column="who"),
        units=3,
        rows=7,
        columns=(Column(name="who", kind=ColumnKind.TEXT), Column(name="n", kind=ColumnKind.NUMBER)),
        transforms=(
            ColumnTransform(
                column="who", word=TransformWord.MASK, rule="columns who", parameters={"keep_last": 2}
            ),
        ),
        shards=(Shard(name="000000.shard", rows=7, digest="a" * 64),),
        purpose="tests",
        licence="CC0-1.0",
        policy="sha256:p",
        created=created,
    )
    return replace(draft, id=draft.bound())


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(f"sqlite:///{tmp_path / 'guard.db'}")
    upgrade(made, "guard")
    yield made
    made.dispose()


@pytest.fixture(params=["memory", "sql"])
def store(request: pytest.FixtureRequest, engine: Engine) -> DatasetStore:
    return MemoryDatasetStore() if request.param == "memory" else SqlDatasetStore(engine)


def add(
    store: DatasetStore, name: str, *, compared: tuple[str, ...] = (), sketch: Sketch = SKETCH
) -> Dataset:
    made = dataset(name, created=len(store.list()))
    store.add(made, sketch, registered(made, "me"), compared=compared)
    return made


def test_what_is_registered_comes_back_whole(store: DatasetStore) -> None:
    one = add(store, "one")
    other = add(store, "other", compared=(one.id,), sketch=EMPTY)
    assert store.list() == [one, other]
    assert store.find("one") == store.find(one.id) == one
    assert store.sketches() == {one.id: SKETCH, other.id: EMPTY}
    with pytest.raises(NotFound):
        store.find("third")


def test_a_name_and_an_id_are_taken_once(store: DatasetStore) -> None:
    one = add(store, "one")
    renamed = replace(one, name="two")
    for again in (one, replace(dataset("one"), id="sha256:x"), renamed):
        with pytest.raises(Conflict):
            store.add(again, SKETCH, registered(again, "me"), compared=[one.id])
    assert store.list() == [one]


def test_what_was_not_compared_with_everything_is_not_registered(store: DatasetStore) -> None:
    one = add(store, "one")
    with pytest.raises(Conflict) as refused:
        add(store, "other")
    assert refused.value.code == "registered_meanwhile"
    assert store.list() == [one]


def test_of_many_that_race_one_is_registered(engine: Engine) -> None:
    store = SqlDatasetStore(engine)

    def attempt(number: int) -> bool:
        made = dataset(f"d{number}")
        try:
            store.add(made, SKETCH, registered(made, "me"), compared=())
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    with engine.connect() as connection:
        events = [json.loads(row.record)["type"] for row in connection.execute(select(outbox))]
    assert events == ["dataset.registered"] and len(store.list()) == 1


@pytest.mark.parametrize(
    "change",
    [
        "root = 'sha256:another'", "units = 70", "rows = 8", "unit = 'example'", "subject_column = 'n'",
        "parent = 'sha256:p'", "purpose = 'sale'", "identity = 'sha256:x'", "name = 'other'",
    ],
)  # fmt: skip
def test_a_changed_row_is_noticed(engine: Engine, change: str) -> None:
    store = SqlDatasetStore(engine)
    one = add(store, "one")
    with engine.begin() as connection:
        assert connection.execute(text(f"UPDATE dataset SET {change}")).rowcount == 1
    for look in (store.list, lambda: store.find(one.id)):
        with pytest.raises(Conflict, match="not as it was registered"):
            look()


def test_datasets_of_another_tenant_are_not_seen(engine: Engine) -> None:
    add(SqlDatasetStore(engine), "one")
    other = SqlDatasetStore(engine, tenant="other")
    assert not other.list() and not other.sketches()
    with pytest.raises(NotFound):
        other.find("one")
