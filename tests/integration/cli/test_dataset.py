"""``guard dataset``: what is told before, while and after a table is protected, and what is not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from benchmarks.datasets.resume import POLICY
from benchmarks.datasets.table import CLEAR, write_table
from guard.datasets import ingest
from guard.datasets.journal import Journal, Step
from tests.integration.cli.conftest import Done, Guard

ROWS = 300


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    write_table(path, ROWS, seed=5)
    return path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    return path


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def clear(folder: Path) -> list[Path]:
    """Return the files that hold a value of the table."""
    return [path for path in files(folder) if any(word.encode() in path.read_bytes() for word in CLEAR)]


def listed(guard: Guard) -> list[dict[str, object]]:
    found = guard("dataset", "list", "--json").json
    assert isinstance(found, list)
    return found


def refused(done: Done) -> str:
    """Return the one line that a refusal is."""
    assert done.code == 2 and done.err.startswith("guard: ") and done.err.count("\n") == 1
    return done.err


def test_a_preview_says_what_would_be_done_and_writes_nothing(
    guard: Guard, data_dir: Path, table: Path, policy: Path
) -> None:
    before = files(data_dir)
    done = guard("dataset", "ingest", str(table), "--policy", str(policy), "--preview")
    assert done.code == 0 and files(data_dir) == before and not listed(guard)
    assert "300 rows, 300 privacy units" in done.out and "spends   the budget of people" in done.out
    email = next(line for line in done.out.splitlines() if line.startswith("email"))
    assert "300 of 300 EMAIL_ADDRESS" in email and "drop" in email
    assert not any(word in done.out for word in CLEAR)
    plan = guard("dataset", "ingest", str(table), "--policy", str(policy), "--preview", "--json").json
    assert isinstance(plan, dict) and (plan["rows"], plan["budget_of"]) == (ROWS, "people")


def test_an_ingest_registers_an_encrypted_copy_and_says_what_comes_next(
    guard: Guard, data_dir: Path, table: Path, policy: Path
) -> None:
    done = guard("dataset", "ingest", str(table), "--policy", str(policy), "--purpose", "research")
    assert done.code == 0 and "registered people: 300 rows in 1 encrypted shards" in done.out
    assert done.out.splitlines()[-1] == "next       guard budget set people --epsilon 3 --delta 1e-5"
    (dataset,) = listed(guard)
    assert (dataset["name"], dataset["rows"], dataset["purpose"]) == ("people", ROWS, "research")
    assert dataset["columns"] == ["age", "visits", "town", "buys"]
    assert "people" in guard("dataset", "list").out and not clear(data_dir)
    tail = guard("log", "tail", "--json").out.splitlines()
    (leaf,) = (leaf for leaf in map(json.loads, tail) if leaf["type"] == "dataset.registered")
    assert leaf["dataset"] == dataset["id"]
    assert "people" not in json.dumps(leaf), "a name may be a person's"


def test_the_same_again_is_refused_and_harms_nothing(
    guard: Guard, data_dir: Path, table: Path, policy: Path
) -> None:
    arguments = ("dataset", "ingest", str(table), "--policy", str(policy))
    guard(*arguments)
    before = {path: path.read_bytes() for path in files(data_dir / "datasets")}
    assert "already with the very same rows" in refused(guard(*arguments))
    assert {path: path.read_bytes() for path in files(data_dir / "datasets")} == before


def test_a_copy_says_by_name_whose_budget_it_spends(guard: Guard, table: Path, policy: Path) -> None:
    guard("dataset", "ingest", str(table), "--policy", str(policy))
    again = ("dataset", "ingest", str(table), "--policy", str(policy), "--name", "copy")
    done = guard(*again)
    assert done.code == 0 and "spends   the budget of people" in done.out
    assert "guard budget set" not in done.out
    first, second = listed(guard)
    assert first["root"] == second["root"] and second["parent"] is None


def test_a_part_is_refused_until_its_parent_is_named(
    guard: Guard, table: Path, policy: Path, tmp_path: Path
) -> None:
    guard("dataset", "ingest", str(table), "--policy", str(policy))
    part = tmp_path / "part.csv"
    part.write_text("".join(table.read_text().splitlines(keepends=True)[:100]))
    line = refused(guard("dataset", "ingest", str(part), "--policy", str(policy)))
    assert "about 100% of the rows are also in dataset 'people'" in line and "--derived-from people" in line
    done = guard("dataset", "ingest", str(part), "--policy", str(policy), "--derived-from", "people")
    assert done.code == 0 and "the budget of people" in done.out
    assert "part" in guard("dataset", "list").out
    assert "no dataset 'nobody'" in refused(
        guard(
            "dataset", "ingest", str(part), "--policy", str(policy), "--name", "x", "--derived-from", "nobody"
        )
    )


WRONG: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "another ending": ("t.xlsx", "a\n1\n", ()),
    "a header of values": ("t.csv", "maria@kestrel-labs.com\nb@kestrel-labs.com\n", ()),
    "a user without a column": ("t.csv", "a\n1\n", ("--unit", "user")),
    "a column without a user": ("t.csv", "a\n1\n", ("--subject", "a")),
    "a column that is not there": ("t.csv", "a\n1\n", ("--unit", "user", "--subject", "b")),
    "a row without a user": ("t.csv", "a,b\nx,1\n,2\n", ("--unit", "user", "--subject", "a")),
    "no rows": ("t.csv", "a\n", ()),
    "uneven rows": ("t.csv", "a,b\n1\n", ()),
    "a name of two words": ("two words.csv", "a\n1\n", ()),
    "a policy that is not there": ("t.csv", "a\n1\n", ("--policy", "nowhere.yaml")),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    guard: Guard, data_dir: Path, tmp_path: Path, what: str
) -> None:
    name, content, options = WRONG[what]
    path = tmp_path / name
    path.write_text(content)
    before = files(data_dir)
    line = refused(guard("dataset", "ingest", str(path), *options))
    assert "kestrel" not in line and "Traceback" not in line
    assert files(data_dir) == before and not listed(guard)


def test_a_pipe_is_not_waited_for(guard: Guard, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    assert "not a file that can be read twice" in refused(
        guard("dataset", "ingest", str(tmp_path / "pipe.csv"))
    )


def test_after_a_crash_the_same_command_goes_on(
    guard: Guard, data_dir: Path, table: Path, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "SHARD_ROWS", 100)
    real = Journal.add

    def dying(journal: Journal, step: Step) -> None:
        if len(journal.steps()) == 2:
            raise SystemExit(9)
        real(journal, step)

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "add", dying)
        assert guard("dataset", "ingest", str(table), "--policy", str(policy)).code == 9
    assert not listed(guard) and not clear(data_dir)
    written = {
        path.name: path.stat().st_mtime_ns for path in files(data_dir / "datasets") if path.suffix == ".shard"
    }
    assert guard("dataset", "ingest", str(table), "--policy", str(policy)).code == 0
    after = {path.name: path.stat().st_mtime_ns for path in files(data_dir / "datasets")}
    assert sorted(after) == ["000000.shard", "000001.shard", "000002.shard"]
    assert all(after[name] == written[name] for name in ("000000.shard", "000001.shard"))


def test_a_changed_row_of_the_registry_stops_every_command_that_believes_it(
    guard: Guard, data_dir: Path, table: Path, policy: Path
) -> None:
    import sqlite3

    guard("dataset", "ingest", str(table), "--policy", str(policy))
    with sqlite3.connect(data_dir / "guard.db") as connection:
        connection.execute("UPDATE dataset SET root = 'sha256:another'")
    connection.close()
    assert "not as it was registered" in refused(guard("dataset", "list"))
    lines = {line["check"]: line for line in json.loads(guard("doctor", "--json", "--port", "0").out)}
    assert not lines["ledger"]["ok"] and "not as it was registered" in lines["ledger"]["message"]
