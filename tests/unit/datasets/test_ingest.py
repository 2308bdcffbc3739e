"""From a file to a protected copy: columns, findings, lineage, resuming, tampering."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from guard.datasets.journal import Journal, Step
from guard.domain.dataset import ColumnKind
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import Conflict, DecryptionFailed, InvalidRequest, PolicyDenied
from tests.unit.datasets.bench import CARD, EMAIL, HEADER, SHORT_CARD, Bench, people, table


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

    def dying(journal: Journal, step: Step) -> None:
        nonlocal wrote
        if wrote == stop:
            raise KeyboardInterrupt
        wrote += 1
        real(journal, step)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            bench.write(plan, source)
    assert not bench.store.list()
    dataset, changed = bench.write(plan, source)
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
        patched.setattr(bench.store, "add", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bench.write(plan, source)
    (bench.at(plan.id) / "000001.shard").write_bytes(b"rubbish")
    dataset, _ = bench.write(plan, source)
    assert len(bench.rows(dataset)) == 35


def test_a_source_that_changes_meanwhile_is_not_registered(bench: Bench) -> None:
    path = people(bench)
    request = bench.request()
    source, plan = bench.plan(path, request)
    with path.open("a") as file:
        file.write("c9,1990-01-01,30,AB 1 XY,s,note,1.5\n")
    with pytest.raises(Conflict, match="changed"):
        bench.write(plan, source)
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
    with pytest.raises(InvalidRequest, match="say --unit user"):
        bench.ingest(people(bench), bench.request(unit=replace(unit, kind=UnitKind.EXAMPLE)))
    with pytest.raises(PolicyDenied, match="names the user"):
        bench.ingest(people(bench), bench.request("b", PrivacyUnit(kind=UnitKind.USER, column="age")))


def test_rows_with_nan_become_missing_values(bench: Bench) -> None:
    lines = ["x,y", "1,a", "nan,b", "inf,c", "?,d", "2.5,e"]
    dataset, _ = bench.ingest(table(bench.folder / "nan.csv", lines))
    assert [row["x"] for row in bench.rows(dataset)] == [1.0, None, None, None, 2.5]


@pytest.mark.parametrize("written", [SHORT_CARD, f"{SHORT_CARD}.0", f"{SHORT_CARD}."])
def test_a_card_in_a_column_of_numbers_becomes_missing(bench: Bench, written: str) -> None:
    lines = ["n"] + [str(number) for number in range(200)] + [written]
    dataset, changed = bench.ingest(table(bench.folder / "numbers.csv", lines))
    assert changed == {"CREDIT_CARD": 1} and bench.rows(dataset)[-1]["n"] is None


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (CARD, "[CREDIT_CARD]"),
        ("+49 30 901820", r"PHNX\w{12}"),
        ("+4930901820", r"PHNX\w{12}"),
        ("1234567890123456789", "1234567890123456789"),
        ("007", "007"),
        ("1_000", "1_000"),
        ("+5", r"\+5"),
    ],
)
def test_a_code_among_numbers_makes_texts_of_them_and_loses_no_digit(
    bench: Bench, written: str, stored: str
) -> None:
    """A number would lose digits that tell two users apart, and what cannot be read cannot be found."""
    lines = ["n"] + [str(number) for number in range(200)] + [written]
    dataset, _ = bench.ingest(table(bench.folder / "numbers.csv", lines))
    assert dataset.columns[0].kind is ColumnKind.TEXT
    assert re.fullmatch(
        stored.replace("[CREDIT_CARD]", r"\[CREDIT_CARD\]"), str(bench.rows(dataset)[-1]["n"])
    )


def test_a_column_full_of_cards_is_dropped(bench: Bench) -> None:
    lines = ["n,m"] + [f"{CARD},{number}" for number in range(30)]
    dataset, _ = bench.ingest(table(bench.folder / "cards.csv", lines))
    assert [column.name for column in dataset.columns] == ["m"]


def test_shards_of_long_rows_hold_fewer_of_them_and_resume_alike(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.datasets.ingest.SHARD_BYTES", 1000)
    lines = ["n,text", *(f"{number},{'x' * (number * 37 % 600)}" for number in range(40))]
    path = table(bench.folder / "long.csv", lines)
    source, plan = bench.plan(path, bench.request("long"))
    real, wrote = Journal.add, 0

    def dying(journal: Journal, step: Step) -> None:
        nonlocal wrote
        if wrote == 3:
            raise KeyboardInterrupt
        wrote += 1
        real(journal, step)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "add", dying)
        with pytest.raises(KeyboardInterrupt):
            bench.write(plan, source)
    dataset, _ = bench.write(plan, source)
    assert [row["n"] for row in bench.rows(dataset)] == list(range(40))
    assert len(dataset.shards) > 8 and all(0 < shard.rows <= 10 for shard in dataset.shards)
