"""From a file to a protected copy: columns, findings, lineage, resuming, tampering."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from guard.datasets import ingest
from guard.datasets.identity import Sketch
from guard.datasets.ingest import Plan, Request, plan_ingest, write_dataset
from guard.datasets.journal import Journal
from guard.datasets.reader import ShardReader
from guard.datasets.survey import survey
from guard.datasets.transform import Transformer
from guard.documents.rows import RowFile, open_row_file
from guard.domain.dataset import ColumnKind, Dataset
from guard.domain.event import Record
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import Conflict, DecryptionFailed, InvalidRequest, NotFound, PolicyDenied
from guard.keys.keyring import Keyring
from guard.policy.dataset import DatasetPolicy, load_dataset_policy
from guard.protection.surrogate import Surrogates
from guard.screening.engine import compile_screener

EMAIL = "maria.gomez@kestrel-labs.com"
CARD = "5425233430109903"
EXAMPLE = PrivacyUnit(kind=UnitKind.EXAMPLE)
KEY = bytes(32)
POLICY = b"""
apiVersion: guard/v1
kind: DatasetPolicy
metadata: {name: tests}
spec:
  columns:
    - {match: customer, action: pseudonymise}
    - {match: birth, action: {generalise: {keep_first: 4}}}
    - {match: age, action: {generalise: {width: 10}}}
    - {match: plate, action: {mask: {keep_last: 2}}}
    - {match: secret, action: drop}
  types:
    - {group: contact, action: surrogate}
    - {group: payment, action: drop}
  unmatched: drop
  otherwise: keep
"""


class MemoryDatasets:
    """Datasets in a dictionary, as the SQL store keeps them."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Dataset, Sketch]] = {}
        self.events: list[Record] = []

    def list(self) -> list[Dataset]:
        return [dataset for dataset, _ in self._kept.values()]

    def find(self, name: str) -> Dataset:
        for dataset in self.list():
            if name in (dataset.name, dataset.id):
                return dataset
        raise NotFound(name)

    def sketches(self) -> dict[str, Sketch]:
        return {id: sketch for id, (_, sketch) in self._kept.items()}

    def add(self, dataset: Dataset, sketch: Sketch, event: Record) -> None:
        self._kept[dataset.id] = dataset, sketch
        self.events.append(event)


class Bench:
    """A folder, a keyring and a store to ingest with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = Keyring.create(folder / "keyring")
        self.store = MemoryDatasets()
        self.policy: DatasetPolicy = load_dataset_policy(POLICY, file="dataset.yaml")

    def request(
        self, name: str = "people", unit: PrivacyUnit = EXAMPLE, parent: str | None = None
    ) -> Request:
        return Request(
            name=name,
            tenant="default",
            unit=unit,
            purpose="tests",
            licence="CC0-1.0",
            parent=parent,
            principal="me",
        )

    def plan(self, path: Path, request: Request) -> tuple[RowFile, Plan]:
        source = open_row_file(path)
        surveyed = survey(
            path,
            source,
            unit=request.unit,
            screener=compile_screener(),
            key=KEY,
            below=random.Random(1).randrange,
        )
        return source, plan_ingest(request, surveyed, self.policy, self.store)

    def ingest(self, path: Path, request: Request | None = None) -> tuple[Dataset, dict[str, int]]:
        wanted = request or self.request()
        source, plan = self.plan(path, wanted)
        return self.write(wanted, plan, path, source)

    def write(
        self, request: Request, plan: Plan, path: Path, source: RowFile
    ) -> tuple[Dataset, dict[str, int]]:
        tokens = Surrogates(key=KEY, tenant="default", application="datasets", scope=plan.id)
        transformer = Transformer(
            [item.column for item in plan.survey.columns],
            plan.transforms,
            policy=self.policy,
            screener=compile_screener(),
            surrogates=tokens,
            pseudonyms=tokens,
        )
        return write_dataset(
            request,
            plan,
            path,
            source,
            folder=self.at(plan.id),
            transformer=transformer,
            keys=self.keys,
            store=self.store,
            clock=lambda: 1,
        )

    def at(self, dataset: str) -> Path:
        return self.folder / dataset.removeprefix("sha256:")

    def rows(self, dataset: Dataset) -> list[dict[str, object]]:
        reader = ShardReader(dataset, folder=self.at(dataset.id), keys=self.keys)
        return [dict(row) for row in reader.rows()]


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(ingest, "SHARD_ROWS", 10)
    return Bench(tmp_path)


def table(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


HEADER = "customer,birth,age,plate,secret,note,amount"


def people(bench: Bench, count: int = 35, first: int = 0) -> Path:
    lines = [HEADER]
    for number in range(first, first + count):
        note = f"see {EMAIL} or {CARD}" if number == 17 else f"note {number}"
        born, plate = f"1980-0{number % 9 + 1}-01", f"AB {number:03d} XY"
        lines.append(f"c{number % 5},{born},{20 + number},{plate},s{number},{note},{number}.5")
    return table(bench.folder / f"people{first}.csv", lines)


def test_each_column_is_changed_as_policy_says(bench: Bench) -> None:
    dataset, changed = bench.ingest(people(bench))
    rows = bench.rows(dataset)
    assert [column.name for column in dataset.columns] == [
        "customer",
        "birth",
        "age",
        "plate",
        "note",
        "amount",
    ]
    assert {column.name: column.kind for column in dataset.columns}["age"] is ColumnKind.INTEGER
    assert len(rows) == 35 and len(dataset.shards) == 4
    assert len({row["customer"] for row in rows}) == 5 and not any(row["customer"] == "c0" for row in rows)
    assert {row["birth"] for row in rows} == {"1980"} and {row["age"] for row in rows} == {20, 30, 40, 50}
    assert str(rows[3]["plate"]).startswith("**") and str(rows[3]["plate"]).endswith("XY")
    assert changed == {"EMAIL_ADDRESS": 1, "CREDIT_CARD": 1}, "one value that no sample needs to hold"
    note = str(rows[17]["note"])
    assert EMAIL not in note and CARD not in note and note.startswith("see EMLX") and "[CREDIT_CARD]" in note


def test_nothing_in_clear_is_left_on_disk(bench: Bench) -> None:
    source = people(bench)
    dataset, _ = bench.ingest(source)
    source.unlink()
    for path in bench.folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not any(word in content for word in (b"note 1", b"kestrel", b"PAR1", b"1980"))
    assert bench.rows(dataset)


def test_a_copy_in_another_order_and_format_spends_the_same_budget(bench: Bench) -> None:
    path = people(bench)
    first, _ = bench.ingest(path)
    lines = path.read_text().splitlines()
    other = table(bench.folder / "copy.csv", [lines[0], *reversed(lines[1:])])
    second, _ = bench.ingest(other, bench.request("copy"))
    assert second.root == first.root == first.identity and second.id != first.id


def test_a_part_must_name_what_it_was_made_from(bench: Bench) -> None:
    bench.ingest(people(bench))
    part = people(bench, count=10)
    part.rename(bench.folder / "part.csv")
    with pytest.raises(Conflict, match="--derived-from people"):
        bench.ingest(bench.folder / "part.csv", bench.request("part"))
    made, _ = bench.ingest(bench.folder / "part.csv", bench.request("part", parent="people"))
    assert made.root == bench.store.find("people").root and made.parent == bench.store.find("people").id


def test_another_parent_does_not_launder_a_copy(bench: Bench) -> None:
    bench.ingest(people(bench))
    bench.ingest(people(bench, first=1000), bench.request("strangers"))
    copy = people(bench)
    with pytest.raises(Conflict):
        bench.ingest(copy, bench.request("copy", parent="strangers"))


@pytest.mark.parametrize("stop", range(4))
def test_a_crash_after_any_shard_gives_the_same_result(
    bench: Bench, stop: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = people(bench)
    request = bench.request()
    source, plan = bench.plan(path, request)
    wrote = 0
    real = Journal.add

    def dying(journal: Journal, step: object) -> None:
        nonlocal wrote
        if wrote == stop:
            raise KeyboardInterrupt
        wrote += 1
        real(journal, step)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            bench.write(request, plan, path, source)
    assert not bench.store.list()
    dataset, changed = bench.write(request, plan, path, source)
    assert changed == {"EMAIL_ADDRESS": 1, "CREDIT_CARD": 1}
    assert len(bench.rows(dataset)) == 35
    assert sorted(item.name for item in bench.at(dataset.id).iterdir()) == [
        shard.name for shard in dataset.shards
    ]


def test_a_shard_that_was_damaged_while_ingesting_is_written_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = people(bench)
    request = bench.request()
    source, plan = bench.plan(path, request)
    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "add", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bench.write(request, plan, path, source)
    (bench.at(plan.id) / "000001.shard").write_bytes(b"rubbish")
    dataset, _ = bench.write(request, plan, path, source)
    assert len(bench.rows(dataset)) == 35


def test_a_source_that_changes_meanwhile_is_not_registered(bench: Bench) -> None:
    path = people(bench)
    request = bench.request()
    source, plan = bench.plan(path, request)
    with path.open("a") as file:
        file.write("c9,1990-01-01,30,AB 1 XY,s,note,1.5\n")
    with pytest.raises(Conflict, match="changed"):
        bench.write(request, plan, path, source)
    assert not bench.store.list()


@pytest.mark.parametrize("at", [0, 20, 60, -1])
def test_a_tampered_shard_is_not_read(bench: Bench, at: int) -> None:
    dataset, _ = bench.ingest(people(bench))
    path = bench.at(dataset.id) / "000002.shard"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DecryptionFailed):
        bench.rows(dataset)


def test_a_shard_cannot_stand_in_for_another(bench: Bench) -> None:
    dataset, _ = bench.ingest(people(bench))
    folder = bench.at(dataset.id)
    (folder / "000001.shard").write_bytes((folder / "000000.shard").read_bytes())
    swapped = replace(dataset.shards[1], digest=dataset.shards[0].digest)
    shards = (dataset.shards[0], swapped, *dataset.shards[2:])
    with pytest.raises(DecryptionFailed):
        bench.rows(replace(dataset, shards=shards))


def test_users_are_counted_and_every_row_needs_one(bench: Bench) -> None:
    unit = PrivacyUnit(kind=UnitKind.USER, column="customer")
    dataset, _ = bench.ingest(people(bench), bench.request(unit=unit))
    assert dataset.units == 5
    nobody = table(bench.folder / "nobody.csv", [HEADER, ",1980-01-01,3,A,s,n,1"])
    with pytest.raises(InvalidRequest, match="row 1 names no user"):
        bench.ingest(nobody, bench.request("nobody", unit=unit))
    with pytest.raises(InvalidRequest, match="there is no column 'client'"):
        bench.ingest(people(bench), bench.request(unit=PrivacyUnit(kind=UnitKind.USER, column="client")))
    with pytest.raises(PolicyDenied, match="names the user"):
        bench.ingest(people(bench), bench.request(unit=PrivacyUnit(kind=UnitKind.USER, column="age")))


def test_rows_with_nan_become_missing_values(bench: Bench) -> None:
    lines = ["x,y", "1,a", "nan,b", "inf,c", "?,d", "2.5,e"]
    dataset, _ = bench.ingest(table(bench.folder / "nan.csv", lines))
    assert [row["x"] for row in bench.rows(dataset)] == [1.0, None, None, None, 2.5]


def test_a_card_in_a_column_of_numbers_becomes_missing(bench: Bench) -> None:
    lines = ["n"] + [str(number) for number in range(200)] + [CARD]
    dataset, changed = bench.ingest(table(bench.folder / "numbers.csv", lines))
    assert changed == {"CREDIT_CARD": 1} and bench.rows(dataset)[-1]["n"] is None


def test_a_column_full_of_cards_is_dropped(bench: Bench) -> None:
    lines = ["n,m"] + [f"{CARD},{number}" for number in range(30)]
    dataset, _ = bench.ingest(table(bench.folder / "cards.csv", lines))
    assert [column.name for column in dataset.columns] == ["m"]
