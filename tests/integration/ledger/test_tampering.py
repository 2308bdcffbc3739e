"""Whoever can write the database but has no key is found out before anything is admitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from guard.domain.privacy import Reservation
from guard.errors import LedgerTampered
from guard.keys.keyring import Keyring
from guard.storage.ledger import SqlLedgerStore
from tests.contract.ledger.conftest import sql_ledger
from tests.unit.ledger.values import EXAMPLE, ROOT, budget, mechanism

OTHER = "sha256:" + "07" * 32


class Tamperer:
    """A ledger with a settled, a running and a reserved job, and somebody with SQL."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.engine = sql_ledger(folder)
        self.ledger.set_budget(budget(), principal="local:7")
        self.ledger.set_budget(budget(root=OTHER), principal="local:7")
        settled = self.ledger.advance(self.ledger.start(self.take("settled")), to=500)
        self.ledger.settle(settled, private_stop=False)
        self.running = self.ledger.advance(self.ledger.start(self.take("running")), to=20)
        self.reserved = self.take("reserved")

    def take(self, name: str) -> Reservation:
        """Reserve one job."""
        return self.ledger.reserve(
            reservation_id=name, root=ROOT, job="j", mechanism=mechanism(), unit=EXAMPLE, now=1
        )

    def sql(self, statement: str) -> None:
        """Run a statement past the ledger."""
        with self.engine.begin() as connection:
            assert connection.execute(text(statement)).rowcount > 0, "the statement must change something"

    def rows(self, table: str) -> list[dict[str, object]]:
        """Return what a table holds."""
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(f"SELECT * FROM {table}")).mappings()]

    def put_back(self, table: str, rows: list[dict[str, object]]) -> None:
        """Put a table back to what it held."""
        with self.engine.begin() as connection:
            connection.execute(text(f"DELETE FROM {table}"))
            names = ", ".join(rows[0])
            values = ", ".join(f":{name}" for name in rows[0])
            connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({values})"), rows)


@pytest.fixture
def tamperer(tmp_path: Path) -> Iterator[Tamperer]:
    tamperer = Tamperer(tmp_path)
    assert not tamperer.ledger.check(), "sound before anybody touches it"
    yield tamperer
    tamperer.engine.dispose()


CHANGES = {
    "fewer steps charged": "UPDATE ledger_reservation SET written_ahead = 1 WHERE id = 'settled'",
    "a burnt plan let go": "UPDATE ledger_reservation SET state = 'released' WHERE id = 'running'",
    "an unknown state": "UPDATE ledger_reservation SET state = 'free' WHERE id = 'running'",
    "more noise than there was": "UPDATE ledger_reservation SET noise_multiplier = 9 WHERE id = 'settled'",
    "a text for a number": "UPDATE ledger_reservation SET sample_rate = 'none' WHERE id = 'settled'",
    "fewer steps planned": "UPDATE ledger_reservation SET steps = 10 WHERE id = 'reserved'",
    "a stop called public": "UPDATE ledger_reservation SET private_stop = 1 WHERE id = 'settled'",
    "another budget's": f"UPDATE ledger_reservation SET root = '{OTHER}' WHERE id = 'settled'",
    "another id": "UPDATE ledger_reservation SET id = 'nobody' WHERE id = 'settled'",
    "a seal that is none": "UPDATE ledger_reservation SET seal = x'00' WHERE id = 'settled'",
    "a seal that is a text": "UPDATE ledger_reservation SET seal = 'sealed' WHERE id = 'settled'",
    "a row removed": "DELETE FROM ledger_reservation WHERE id = 'settled'",
    "all rows removed": "DELETE FROM ledger_reservation",
    "a row of no budget": "UPDATE ledger_reservation SET root = 'sha256:no' WHERE id = 'settled'",
    "a row twice": "INSERT INTO ledger_reservation SELECT tenant, 'copy', root, job, sample_rate,"
    " noise_multiplier, steps, state, written_ahead, private_stop, created, seal"
    " FROM ledger_reservation WHERE id = 'settled'",
    "epsilon raised": f"UPDATE ledger_budget SET epsilon = 99 WHERE root = '{ROOT}'",
    "another unit": f"UPDATE ledger_budget SET unit_kind = 'user' WHERE root = '{ROOT}'",
    "an unknown unit": f"UPDATE ledger_budget SET unit_kind = 'group' WHERE root = '{ROOT}'",
    "a lower order": f"UPDATE ledger_budget SET renyi_order = 3 WHERE root = '{ROOT}'",
    "the budget removed": f"DELETE FROM ledger_budget WHERE root = '{ROOT}'",
    "another budget removed": f"DELETE FROM ledger_budget WHERE root = '{OTHER}'",
    "the book removed": "DELETE FROM ledger_book",
    "the count of changes": "UPDATE ledger_book SET changes = 1",
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_is_found_and_nothing_is_admitted(tamperer: Tamperer, case: str) -> None:
    tamperer.sql(CHANGES[case])
    assert tamperer.ledger.check()
    with pytest.raises(LedgerTampered):
        tamperer.take("one more")


@pytest.mark.parametrize("table", ["ledger_reservation", "ledger_budget", "ledger_book"])
def test_an_old_state_of_one_table_is_found(tamperer: Tamperer, table: str) -> None:
    old = tamperer.rows(table)
    tamperer.ledger.burn(tamperer.running, reason="lost")
    tamperer.put_back(table, old)
    assert tamperer.ledger.check()
    with pytest.raises(LedgerTampered):
        tamperer.take("one more")


def test_an_old_state_of_reservations_and_budgets_together_is_found(tamperer: Tamperer) -> None:
    old = {table: tamperer.rows(table) for table in ("ledger_reservation", "ledger_budget")}
    tamperer.ledger.burn(tamperer.running, reason="lost")
    for table, rows in old.items():
        tamperer.put_back(table, rows)
    assert tamperer.ledger.check()
    with pytest.raises(LedgerTampered):
        tamperer.take("one more")


def test_a_row_sealed_under_another_key_is_found(tamperer: Tamperer, tmp_path: Path) -> None:
    (folder := tmp_path / "elsewhere").mkdir()
    forger = SqlLedgerStore(tamperer.engine, Keyring.create(folder / "keyring"))
    assert forger.check()
    with pytest.raises(LedgerTampered):
        forger.set_budget(budget(epsilon=99.0), principal="local:7")
    assert not tamperer.ledger.check()


VERBS: dict[str, Callable[[Tamperer], object]] = {
    "writing ahead": lambda it: it.ledger.advance(it.running, to=40),
    "settling": lambda it: it.ledger.settle(it.running, private_stop=False),
    "starting": lambda it: it.ledger.start(it.reserved),
    "releasing": lambda it: it.ledger.release(it.reserved, reason=""),
    "setting the budget": lambda it: it.ledger.set_budget(budget(epsilon=11.0), principal="local:7"),
    "reading the budget": lambda it: it.ledger.budget(ROOT),
    "reading all budgets": lambda it: it.ledger.budgets(),
    "reading reservations": lambda it: it.ledger.reservations(ROOT),
    "reading one reservation": lambda it: it.ledger.reservation("running"),
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_makes_a_removed_row_good(tamperer: Tamperer, verb: str) -> None:
    tamperer.sql("DELETE FROM ledger_reservation WHERE id = 'settled'")
    with pytest.raises(LedgerTampered):
        VERBS[verb](tamperer)
    assert tamperer.ledger.check()


def test_a_change_elsewhere_does_not_make_an_altered_row_good(tamperer: Tamperer) -> None:
    tamperer.sql("UPDATE ledger_reservation SET written_ahead = 1 WHERE id = 'settled'")
    tamperer.ledger.advance(tamperer.running, to=40)
    assert tamperer.ledger.check() == ["reservation settled is not as it was written"]
    with pytest.raises(LedgerTampered):
        tamperer.take("one more")


def test_every_problem_is_named(tamperer: Tamperer) -> None:
    tamperer.sql("UPDATE ledger_reservation SET written_ahead = 1 WHERE id = 'settled'")
    tamperer.sql("UPDATE ledger_reservation SET steps = 1 WHERE id = 'running'")
    tamperer.sql(f"UPDATE ledger_budget SET epsilon = 99 WHERE root = '{OTHER}'")
    assert [problem.split(" is ")[0] for problem in tamperer.ledger.check()] == [
        f"the budget of {OTHER}, or which reservations it has,",
        "reservation running",
        "reservation settled",
    ]


def test_ledgers_of_two_tenants_are_apart(tamperer: Tamperer, tmp_path: Path) -> None:
    keyring = Keyring.load(tmp_path / "keyring")
    other = SqlLedgerStore(tamperer.engine, keyring, tenant="acme")
    assert not other.budgets() and not other.check()
    other.set_budget(budget(epsilon=3.0, order=8), principal="local:7")
    tamperer.sql("UPDATE ledger_budget SET epsilon = 99 WHERE tenant = 'acme'")
    assert other.check() and not tamperer.ledger.check()
    rows = [row | {"tenant": "acme"} for row in tamperer.rows("ledger_reservation")]
    tamperer.put_back("ledger_reservation", tamperer.rows("ledger_reservation") + rows)
    assert "reservation settled is not as it was written" in other.check()
