"""``guard budget``, as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from guard.cli.main import app
from guard.domain.privacy import Mechanism
from guard.errors import ConfigurationError, GuardError, LedgerConflict, NotFound
from guard.keys.keyring import Keyring
from guard.storage.database import open_database, sqlite_url
from guard.storage.ledger import SqlLedgerStore
from tests.unit.ledger.values import EXAMPLE, ROOT, mechanism

SET = ("budget", "set", ROOT, "--epsilon", "3", "--delta", "1e-5")


class Desk:
    """A data directory and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self("init")

    def __call__(self, *words: str, code: int = 0) -> Result:
        """Run a command that ends with ``code``; an error of Guard is raised as it is."""
        result = CliRunner().invoke(app, words)
        if isinstance(result.exception, GuardError):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    def read(self, *words: str) -> dict[str, object]:
        """Run a command with ``--json`` and return its object, or the only one of its list."""
        document = json.loads(self(*words, "--json").stdout)
        if isinstance(document, list):
            (document,) = document
        return cast("dict[str, object]", document)

    def reserve(self, name: str, asked: Mechanism) -> None:
        """Reserve as a job would."""
        engine = open_database(sqlite_url(self.folder / "guard.db"))
        ledger = SqlLedgerStore(engine, Keyring.load(self.folder / "keyring"))
        ledger.reserve(
            reservation_id=name,
            root=ROOT,
            job="job-1",
            mechanism=asked,
            unit=EXAMPLE,
            now=1_764_000_000_000_000,
        )
        engine.dispose()

    def sql(self, statement: str) -> None:
        """Write the database past the ledger."""
        engine = open_database(sqlite_url(self.folder / "guard.db"))
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.delenv("GUARD_CONFIG", raising=False)
    monkeypatch.setenv("GUARD_DATA_DIR", str(tmp_path / "data"))
    return Desk(tmp_path / "data")


def test_without_a_budget_it_says_how_to_set_one(desk: Desk) -> None:
    assert "guard budget set" in desk("budget", "show").stdout


def test_a_budget_is_set_for_a_root_with_the_order_that_suits_it(desk: Desk) -> None:
    assert desk.read(*SET) == {
        "root": ROOT,
        "epsilon": 3.0,
        "delta": 1e-5,
        "order": 8,
        "unit": "example",
        "column": None,
        "relation": "add-remove",
    }
    shown = desk("budget", "show", ROOT).stdout
    assert "epsilon 3 at delta 1e-05 for each example, neighbours by add-remove" in shown
    assert "0.0% of the cap" in shown


def test_setting_a_budget_leaves_a_record_with_whom_it_protects(desk: Desk) -> None:
    desk(*SET, "--unit", "user", "--column", "customer")
    logged = desk("log", "tail").stdout
    assert "budget.set" in logged and "unit=user" in logged and "epsilon=3.0" in logged


def test_reservations_are_shown_with_their_part_of_the_cap(desk: Desk) -> None:
    desk(*SET)
    desk.reserve("0190-a", mechanism(1500))
    shown = desk("budget", "show").stdout
    assert "0190-a" in shown and "0 of 1500" in shown and "reserved" in shown and "█" in shown
    page = desk.read("budget", "show", ROOT)
    (row,) = cast("list[dict[str, object]]", page["reservations"])
    assert row == {
        "id": "0190-a",
        "job": "job-1",
        "state": "reserved",
        "steps": 1500,
        "written_ahead": 0,
        "charged": 1500,
        "sample_rate": 0.01,
        "noise_multiplier": 1.416,
        "spent_share": page["spent_share"],
        "private_stop": False,
        "created": 1_764_000_000_000_000,
    }
    assert 0 < cast("float", page["spent_share"]) < 1


def test_the_reported_total_is_below_what_the_filter_counts(desk: Desk) -> None:
    desk(*SET)
    desk.reserve("0190-a", mechanism(2000))
    page = desk.read("budget", "show", ROOT)
    assert 1 < cast("float", page["reported_epsilon"]) < cast("float", page["spent_epsilon"]) < 3


def test_without_the_extra_the_reported_total_is_left_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.cli.budget.find_spec", lambda _: None)
    desk(*SET)
    assert desk.read("budget", "show")["reported_epsilon"] is None
    assert "extra verify" in desk("budget", "show").stdout


def test_a_raised_budget_keeps_the_order_that_jobs_were_admitted_at(desk: Desk) -> None:
    desk(*SET)
    desk.reserve("0190-a", mechanism(10))
    raised = desk.read("budget", "set", ROOT, "--epsilon", "10", "--delta", "1e-5")
    assert raised["order"] == 8


def test_a_budget_without_jobs_takes_the_order_of_its_new_epsilon(desk: Desk) -> None:
    desk(*SET)
    assert desk.read("budget", "set", ROOT, "--epsilon", "10", "--delta", "1e-5")["order"] == 3


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (("set", "nosuch", "--epsilon", "3", "--delta", "1e-5"), NotFound, "no dataset"),
        (("show", "nosuch"), NotFound, "no dataset"),
        (("show", "sha256:" + "0" * 64), NotFound, "no privacy budget"),
        (("set", ROOT, "--epsilon", "3", "--delta", "2"), ConfigurationError, "delta"),
        (("set", ROOT, "--epsilon", "3", "--delta", "1e-5", "--order", "0"), ConfigurationError, "order"),
        (
            ("set", ROOT, "--epsilon", "3", "--delta", "1e-5", "--order", "2"),
            ConfigurationError,
            "try order 8",
        ),
        (
            ("set", ROOT, "--epsilon", "3", "--delta", "1e-5", "--unit", "user"),
            ConfigurationError,
            "--column",
        ),
        (("set", ROOT, "--epsilon", "3", "--delta", "1e-5", "--order", "9"), LedgerConflict, "frozen"),
    ],
    ids=lambda value: " ".join(value[:1] + value[2:]) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_set_or_shown_says_why(
    desk: Desk, words: tuple[str, ...], error: type[GuardError], says: str
) -> None:
    desk(*SET)
    desk.reserve("0190-a", mechanism(10))
    with pytest.raises(error, match=says):
        desk("budget", *words)


def test_a_tampered_ledger_is_exit_code_1_and_named(desk: Desk) -> None:
    desk(*SET)
    desk.reserve("0190-a", mechanism(10))
    desk.sql("UPDATE ledger_reservation SET steps = 1")
    assert "reservation 0190-a is not as it was written" in desk("budget", "show", code=1).stdout
    problems = json.loads(desk("budget", "show", "--json", code=1).stdout)
    assert problems == {"problems": ["reservation 0190-a is not as it was written"]}


def test_a_dataset_is_known_by_name_and_decides_the_unit(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("customer,amount\n" + "".join(f"c{n % 7},{n}\n" for n in range(40)))
    desk("dataset", "ingest", str(tmp_path / "sales.csv"), "--unit", "user", "--subject", "customer")
    made = desk.read("budget", "set", "sales", "--epsilon", "3", "--delta", "1e-5")
    assert (made["unit"], made["column"]) == ("user", "customer")
    assert desk.read("budget", "show", "sales")["dataset"] == "sales"
    with pytest.raises(ConfigurationError, match="declares the unit user"):
        desk("budget", "set", "sales", "--epsilon", "3", "--delta", "1e-5", "--unit", "example")
