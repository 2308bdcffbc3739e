"""What may go wrong with an ingest, by accident or on purpose: nothing is lost, mixed or laundered."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from guard.datasets.plan import Plan
from guard.documents.rows import Place, Row, open_row_file
from guard.domain.dataset import Dataset
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.errors import Conflict, DecryptionFailed, InvalidRequest, KeyUnavailable, NotFound
from guard.policy.dataset import load_dataset_policy
from tests.unit.datasets.bench import EMAIL, HEADER, Bench, people, table


def test_a_registered_dataset_is_not_touched_by_the_same_ingest_again(bench: Bench) -> None:
    path = people(bench)
    dataset, _ = bench.ingest(path)
    before = bench.rows(dataset)
    with pytest.raises(Conflict, match="already with the very same rows"):
        bench.ingest(path)
    assert bench.rows(dataset) == before


def test_not_even_by_a_plan_that_was_made_before(bench: Bench) -> None:
    path = people(bench)
    source, plan = bench.plan(path, bench.request())
    dataset, _ = bench.write(plan, source)
    with pytest.raises(Conflict, match="registered already"):
        bench.write(plan, source)
    assert len(bench.rows(dataset)) == 35


def test_two_at_once_do_not_write_into_one_folder(bench: Bench) -> None:
    source, plan = bench.plan(people(bench), bench.request())
    folder = bench.at(plan.id)
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        with pytest.raises(Conflict, match="another process"):
            bench.write(plan, source)
    finally:
        os.close(held)
    assert len(bench.rows(bench.write(plan, source)[0])) == 35


def test_of_two_that_race_with_the_same_rows_the_second_must_name_the_first(bench: Bench) -> None:
    """Neither is registered when the other is planned, so neither plan sees the other."""
    whole, part = people(bench), bench.folder / "part.csv"
    table(part, whole.read_text().splitlines()[:20])
    first, second = bench.plan(whole, bench.request("whole")), bench.plan(part, bench.request("part"))
    bench.write(first[1], first[0])
    with pytest.raises(Conflict) as refused:
        bench.write(second[1], second[0])
    assert refused.value.code == "registered_meanwhile"
    with pytest.raises(Conflict, match="--derived-from whole"):
        bench.ingest(part, bench.request("part"))


def test_a_taken_name_is_refused_before_anything_is_written(bench: Bench) -> None:
    bench.ingest(people(bench))
    before = sorted(bench.folder.rglob("*"))
    other = people(bench, first=1000)
    with pytest.raises(Conflict, match="choose another --name"):
        bench.ingest(other)
    assert sorted(bench.folder.rglob("*")) == sorted([*before, other])


class Swapped:
    """A file that says something else while its rows are written, and is as before afterwards."""

    def __init__(self, path: Path, meanwhile: str) -> None:
        self._path = path
        self._meanwhile = meanwhile
        self._source = open_row_file(path)
        self.columns = self._source.columns

    def rows(self, start: Place | None = None) -> Iterator[Row]:
        before = self._path.read_text()
        self._path.write_text(self._meanwhile)
        try:
            yield from list(self._source.rows(start))
        finally:
            self._path.write_text(before)


def test_rows_other_than_the_surveyed_ones_are_not_registered_and_not_gone_on_from(bench: Bench) -> None:
    path = people(bench)
    source, plan = bench.plan(path, bench.request())
    other = people(bench, first=500).read_text()
    with pytest.raises(Conflict, match="changed while it was read"):
        bench.write(plan, Swapped(path, other))
    assert not bench.store.list()
    dataset, _ = bench.write(plan, source)
    assert [row["amount"] for row in bench.rows(dataset)] == [number + 0.5 for number in range(35)]


def test_swapped_headers_are_noticed_too(bench: Bench) -> None:
    path = table(bench.folder / "pair.csv", ["a,b", "1,2", "3,4"])
    _, plan = bench.plan(path, bench.request("pair"))
    source = open_row_file(table(bench.folder / "swapped.csv", ["b,a", "1,2", "3,4"]))
    with pytest.raises(Conflict, match="changed"):
        bench.write(plan, source)


def test_a_policy_that_changed_after_a_crash_begins_anew(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules inside texts differ, transforms of columns do not: no copy may hold half of each."""
    path = people(bench)
    source, plan = bench.plan(path, bench.request())
    with monkeypatch.context() as patched:
        patched.setattr(bench.store, "add", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bench.write(plan, source)
    text = b"""
apiVersion: guard/v1
kind: DatasetPolicy
metadata: {name: stricter}
spec:
  columns:
    - {match: customer, action: pseudonymise}
    - {match: birth, action: {generalise: {keep_first: 4}}}
    - {match: age, action: {generalise: {width: 10}}}
    - {match: plate, action: {mask: {keep_last: 2}}}
    - {match: secret, action: drop}
  unmatched: drop
  otherwise: keep
"""
    bench.policy = load_dataset_policy(text, file="dataset.yaml")
    source, other = bench.plan(path, bench.request())
    assert other.id != plan.id
    dataset, _ = bench.write(other, source)
    assert "[EMAIL_ADDRESS]" in str(bench.rows(dataset)[17]["note"])


LINEAGE: dict[str, Callable[[Dataset], Dataset]] = {
    "identity": lambda it: replace(it, identity="sha256:0"),
    "root": lambda it: replace(it, root="sha256:0"),
    "parent": lambda it: replace(it, parent="sha256:0"),
    "units": lambda it: replace(it, units=1),
    "tenant": lambda it: replace(it, tenant="other"),
    "purpose": lambda it: replace(it, purpose="other"),
    "licence": lambda it: replace(it, licence="other"),
    "policy": lambda it: replace(it, policy="sha256:0"),
    "name": lambda it: replace(it, name="other"),
    "unit": lambda it: replace(it, unit=PrivacyUnit(kind=UnitKind.USER, column="customer")),
    "columns": lambda it: replace(it, columns=it.columns[::-1]),
    "transforms": lambda it: replace(it, transforms=it.transforms[1:]),
}


@pytest.mark.parametrize("what", LINEAGE)
def test_nothing_of_a_dataset_changes_without_its_id(bench: Bench, what: str) -> None:
    dataset, _ = bench.ingest(people(bench))
    assert dataset.bound() == dataset.id
    changed = LINEAGE[what](dataset)
    assert changed.bound() != dataset.id
    forged = replace(changed, id=changed.bound())
    bench.at(dataset.id).rename(bench.at(forged.id))
    with pytest.raises((DecryptionFailed, KeyUnavailable)):
        bench.rows(forged)


def test_a_shard_less_or_more_is_found_before_the_first_row(bench: Bench) -> None:
    dataset, _ = bench.ingest(people(bench))
    for shards in (dataset.shards[:-1], (*dataset.shards, dataset.shards[0]), ()):
        with pytest.raises(DecryptionFailed):
            bench.rows(replace(dataset, shards=shards))
    first = replace(dataset.shards[0], rows=9)
    last = replace(dataset.shards[3], rows=6)
    with pytest.raises(DecryptionFailed):
        bench.rows(replace(dataset, shards=(first, *dataset.shards[1:3], last)))


def test_a_shard_that_is_gone_is_named(bench: Bench) -> None:
    dataset, _ = bench.ingest(people(bench))
    (bench.at(dataset.id) / "000001.shard").unlink()
    with pytest.raises(NotFound, match=r"shard 000001\.shard"):
        bench.rows(dataset)


def test_a_first_row_in_place_of_a_header_is_refused_without_its_values(bench: Bench) -> None:
    path = table(bench.folder / "headless.csv", [f"7,{EMAIL}", "8,b@kestrel-labs.com"])
    with pytest.raises(InvalidRequest, match="column 2 holds EMAIL_ADDRESS") as refused:
        bench.ingest(path, bench.request("headless"))
    assert "maria" not in refused.value.message


def test_a_link_that_waits_beside_a_shard_is_not_followed(bench: Bench) -> None:
    source, plan = bench.plan(people(bench), bench.request())
    precious = bench.folder / "precious"
    precious.write_text("precious")
    bench.at(plan.id).mkdir()
    for name in ("000000.shard", "000001.shard"):
        (bench.at(plan.id) / f".{name}.new").symlink_to(precious)
    bench.write(plan, source)
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("name", ["", "a b", "../up", "sha256:ab", "-x", "n" * 65, "a/b", "a\n"])
def test_a_name_is_never_an_id_a_path_or_two_words(bench: Bench, name: str) -> None:
    with pytest.raises(InvalidRequest, match="--name"):
        bench.ingest(people(bench), bench.request(name))


def test_what_a_record_could_not_hold_is_refused_at_once(bench: Bench) -> None:
    request = bench.request()
    for wordy in (replace(request, purpose="p" * 65), replace(request, licence="l" * 201)):
        with pytest.raises(InvalidRequest, match="at most"):
            bench.ingest(people(bench), wordy)


def test_a_header_makes_secrets_of_a_column_that_is_mostly_empty(bench: Bench) -> None:
    lines = ["id,password", *(f"{number}," for number in range(300)), "300,canary9Passw0rd77"]
    dataset, changed = bench.ingest(table(bench.folder / "p.csv", lines), bench.request("p"))
    assert all("canary" not in str(row.get("password")) for row in bench.rows(dataset))
    assert changed or [column.name for column in dataset.columns] == ["id"]


def test_a_rare_secret_is_found_by_its_header_too(bench: Bench) -> None:
    plain = [f"{number},none of it" for number in range(300)]
    path = table(bench.folder / "p.csv", ["id,password", *plain, "300,canary9Passw0rd77"])
    dataset, _ = bench.ingest(path, bench.request("p"))
    assert all("canary" not in str(row.get("password")) for row in bench.rows(dataset))


def test_users_that_look_like_numbers_stay_apart(bench: Bench) -> None:
    names = ["1", "1.0", "01", "9007199254740993", "9007199254740992"]
    lines = ["customer,x", *(f"{name},{number}" for number, name in enumerate(names * 2))]
    unit = PrivacyUnit(kind=UnitKind.USER, column="customer")
    dataset, _ = bench.ingest(table(bench.folder / "u.csv", lines), bench.request("u", unit))
    assert dataset.units == 5 == len({row["customer"] for row in bench.rows(dataset)})


def test_a_union_of_two_budgets_is_refused_with_either_parent(bench: Bench) -> None:
    one, other = people(bench), people(bench, first=1000)
    bench.ingest(one, bench.request("one"))
    bench.ingest(other, bench.request("other"))
    both = table(
        bench.folder / "both.csv",
        [HEADER, *one.read_text().splitlines()[1:], *other.read_text().splitlines()[1:]],
    )
    for parent in (None, "one", "other"):
        with pytest.raises(Conflict) as refused:
            bench.ingest(both, bench.request("both", parent=parent))
        assert refused.value.code == "shared_rows"
    with pytest.raises(Conflict, match="leave them out"):
        bench.ingest(both, bench.request("both", parent="one"))


def test_rows_of_strangers_may_spend_a_parents_budget_but_never_the_other_way_round(bench: Bench) -> None:
    """Naming a parent that they do not come from spends too much of its budget, never too little."""
    parent, _ = bench.ingest(people(bench))
    other = people(bench, first=1000)
    made, _ = bench.ingest(other, bench.request("other", parent="people"))
    assert made.root == parent.root != made.identity
    with pytest.raises(Conflict, match="--derived-from other"):
        bench.ingest(people(bench, first=1001), bench.request("later"))


def test_a_copy_of_a_part_needs_no_word_and_spends_the_same_budget(bench: Bench) -> None:
    whole, _ = bench.ingest(people(bench))
    part = people(bench, count=10)
    bench.ingest(part, bench.request("part", parent="people"))
    again, _ = bench.ingest(part, bench.request("again"))
    assert again.root == whole.root


def test_the_plan_says_whose_budget_is_spent(bench: Bench) -> None:
    path = people(bench)
    plans: list[Plan] = [bench.plan(path, bench.request())[1]]
    bench.ingest(path)
    plans.append(bench.plan(path, bench.request("copy"))[1])
    assert [plan.budget_of for plan in plans] == [None, "people"]
