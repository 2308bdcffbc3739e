"""fsck on a real database: clean is clean, and each kind of damage is found and named."""

from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import Engine, text

from guard.audit import verify
from guard.audit.checkpoint import sign
from guard.audit.fsck import MOST, Report, fsck
from guard.audit.housekeeping import sign_checkpoint
from guard.storage.log import SqlLogStore
from tests.fakes.batches import Batches
from tests.fakes.exports import SIGNER, STRANGER
from tests.fakes.records import intent, outcome, record


class Damaged:
    """A log of two exchanges and an open one, with two checkpoints, to be damaged by SQL."""

    def __init__(self, engine: Engine, store: SqlLogStore) -> None:
        self.engine = engine
        self.store = store
        self.batches = Batches(store)
        self.batches.commit(intent("e1"), intent("e2"), outcome("e1"))
        sign_checkpoint(store, "default", SIGNER)
        self.batches.commit(outcome("e2"), intent("e3"), record("system.stopped", tenant="other"))
        for log in store.logs():
            sign_checkpoint(store, log, SIGNER)

    def sql(self, statement: str, **values: object) -> None:
        """Change the database behind Guard's back."""
        with self.engine.connect() as connection, connection.begin():
            assert connection.execute(text(statement), values).rowcount > 0, "the damage was done"

    def body(self, index: int) -> bytes:
        """Return an entry."""
        return next(self.store.leaves("default", start=index)).body

    def put(self, index: int, body: bytes) -> None:
        """Replace an entry with its hash."""
        self.sql(
            "UPDATE leaf SET body = :body, hash = :hash WHERE log = 'default' AND idx = :index",
            body=body,
            hash=verify.leaf_hash(body),
            index=index,
        )

    def check(self, *, dead: bool = False) -> Report:
        """Run fsck; all processes live unless ``dead``."""
        return fsck(self.store, public=SIGNER.public, opener=self.batches.sealer, alive=lambda boot: not dead)


@pytest.fixture
def log(log_engine: Engine, store: SqlLogStore) -> Damaged:
    return Damaged(log_engine, store)


def test_a_log_that_is_whole_is_clean(log: Damaged) -> None:
    report = log.check()
    assert report.problems == []
    assert (report.entries, report.checkpoints, report.values, report.shredded) == (6, 3, 3 * 6 + 2 * 5, 0)


def test_progress_counts_every_entry(log: Damaged) -> None:
    seen: list[int] = []
    fsck(
        log.store,
        public=SIGNER.public,
        opener=log.batches.sealer,
        alive=lambda _: True,
        progress=seen.append,
    )
    assert sum(seen) == 6


HERE = "WHERE log = 'default' AND idx ="
FIRST = "WHERE leaf_id LIKE '%0001' AND name ="

DAMAGE = {
    "a byte of an entry": (
        f"UPDATE leaf SET body = CAST(replace(CAST(body AS TEXT), 'e1', 'e9') AS BLOB) {HERE} 0",
        "entry 0: index or hash",
    ),
    "a hash": (
        f"UPDATE leaf SET hash = zeroblob(32) {HERE} 2",
        "entry 2: index or hash",
    ),
    "a missing entry": (f"DELETE FROM leaf {HERE} 1", "entry 1: index or hash"),
    "the last entry is missing": (
        f"DELETE FROM leaf {HERE} 4",
        "but the head says 5",
    ),
    "all entries are missing": ("DELETE FROM leaf WHERE log = 'default'", "0 entries, but the head says 5"),
    "a column of time": (
        f"UPDATE leaf SET time = time + 1 {HERE} 1",
        "a column differs",
    ),
    "a column of type": (f"UPDATE leaf SET type = 'x' {HERE} 1", "a column differs"),
    "a column of exchange": (
        f"UPDATE leaf SET exchange = 'e9' {HERE} 1",
        "a column differs",
    ),
    "a column of id": (f"UPDATE leaf SET id = 'x' {HERE} 1", "a column differs"),
    "a head's size": ("UPDATE head SET size = 4 WHERE log = 'default'", "the head says 4"),
    "a head's time": ("UPDATE head SET time = 1 WHERE log = 'default'", "another tree or time"),
    "a head's tree": (
        "UPDATE head SET frontier = zeroblob(64) WHERE log = 'default'",
        "another tree or time",
    ),
    "a missing head": ("DELETE FROM head WHERE log = 'default'", "5 rows of table leaf"),
    "a head that was set back": (
        "UPDATE head SET size = 0, time = 0, frontier = zeroblob(0) WHERE log = 'default'",
        "5 rows of table leaf",
    ),
    "a checkpoint's signature": (
        "UPDATE checkpoint SET text = replace(text, 'guard/default', 'guard/defau1t') WHERE size = 3",
        "checkpoint of 3 entries",
    ),
    "a checkpoint moved to another size": (
        "UPDATE checkpoint SET size = 4 WHERE log = 'default' AND size = 3",
        "of 4 entries is of another tree",
    ),
    "a checkpoint of the future": (
        "UPDATE checkpoint SET size = 99 WHERE log = 'default' AND size = 5",
        "ahead of the log",
    ),
    "a checkpoint that is no text of ours": (
        "UPDATE checkpoint SET text = '\u00b2' WHERE log = 'default' AND size = 3",
        "not six lines",
    ),
    "a checkpoint without a log": (
        "UPDATE checkpoint SET log = 'gone' WHERE log = 'other'",
        "table checkpoint",
    ),
    "a byte of a side row": (
        f"UPDATE side_row SET value = CAST(value || 'x' AS BLOB) {FIRST} 'subject'",
        "side row subject of 000000000000000000000000000000000001 is not what was sealed",
    ),
    "a side row under another name": (
        f"UPDATE side_row SET name = 'other' {FIRST} 'subject'",
        "side row other",
    ),
    "a side row under another entry": (
        f"UPDATE side_row SET leaf_id = replace(leaf_id, '1', '3') {FIRST} 'features'",
        "side row features of 000000000000000000000000000000000003",
    ),
    "a side row without an entry": (
        f"UPDATE side_row SET leaf_id = 'nobody' {FIRST} 'subject'",
        "1 rows of table side_row",
    ),
    "text in place of bytes": (
        f"UPDATE leaf SET body = CAST(body AS TEXT) {HERE} 2",
        "log default: a column holds another type",
    ),
    "text in place of a size": ("UPDATE head SET size = 'many' WHERE log = 'default'", "another type"),
    "what is held, unreadable": ("UPDATE open_exchange SET held = '?'", "table open_exchange: a column"),
    "an open exchange that was forgotten": (
        "DELETE FROM open_exchange",
        "exchange e3 has no end and is not listed as open",
    ),
    "an ended exchange that is listed as open": (
        "INSERT INTO open_exchange SELECT 'e1', log, boot, 1, '[]' FROM open_exchange",
        "exchange e1 has its end and is still listed",
    ),
}


@pytest.mark.parametrize(("statement", "said"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_and_named(log: Damaged, statement: str, said: str) -> None:
    log.sql(statement)
    problems = log.check().problems
    assert any(said in problem for problem in problems), problems


def test_swapped_entries_are_found(log: Damaged) -> None:
    first, second = log.body(0), log.body(1)
    log.put(0, second)
    log.put(1, first)
    assert any("time does not rise" in problem for problem in log.check().problems)


def test_an_entry_that_was_rewritten_with_its_hash_breaks_tree_and_checkpoint(log: Damaged) -> None:
    entry = json.loads(log.body(1))
    log.put(1, verify.encode({**entry, "model": "another"}))
    problems = log.check().problems
    assert any("the checkpoint of 3 entries is of another tree" in problem for problem in problems)
    assert any("or another tree" in problem for problem in problems)


def test_a_history_that_was_rewritten_whole_breaks_the_checkpoints(log: Damaged) -> None:
    entry = json.loads(log.body(1))
    log.put(1, verify.encode({**entry, "model": "another"}))
    frontier: list[bytes] = []
    for leaf in log.store.leaves("default"):
        verify.grow(frontier, leaf.index, leaf.hash)
    log.sql("UPDATE head SET frontier = :whole WHERE log = 'default'", whole=b"".join(frontier))
    problems = log.check().problems
    assert [problem for problem in problems if "another tree" in problem] == problems != []


def test_a_checkpoint_of_another_key_is_found(log: Damaged) -> None:
    checkpoint = verify.root_of(log.store.head("default").frontier)
    text_of_stranger = sign("default", 5, checkpoint, STRANGER)
    log.sql("UPDATE checkpoint SET text = :text WHERE log = 'default' AND size = 5", text=text_of_stranger)
    assert any("checkpoint of 5 entries" in problem for problem in log.check().problems)


def test_a_checkpoint_with_another_root_is_found_even_if_we_signed_it(log: Damaged) -> None:
    wrong = sign("default", 5, hashlib.sha256(b"wrong").digest(), SIGNER)
    log.sql("UPDATE checkpoint SET text = :text WHERE log = 'default' AND size = 5", text=wrong)
    assert any("of 5 entries is of another tree" in problem for problem in log.check().problems)


def test_a_checkpoint_that_we_signed_for_another_log_is_found(log: Damaged) -> None:
    root = verify.root_of(log.store.head("default").frontier)
    elsewhere = sign("other", 5, root, SIGNER)
    log.sql("UPDATE checkpoint SET text = :text WHERE log = 'default' AND size = 5", text=elsewhere)
    assert any("of 5 entries is of another tree" in problem for problem in log.check().problems)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"exchange":[],"type":"exchange.outcome","v":1}', b"1e9"],
    ids=repr,
)
def test_an_entry_that_is_no_record_is_a_problem_and_not_a_crash(log: Damaged, body: bytes) -> None:
    log.put(2, body)
    assert any("entry 2" in problem for problem in log.check().problems)


def test_one_damaged_log_does_not_hide_another(log: Damaged) -> None:
    log.sql("UPDATE leaf SET hash = zeroblob(32)")
    problems = log.check().problems
    assert {problem.split(":")[0] for problem in problems} == {"log default", "log other"}


def test_values_whose_key_is_gone_are_counted_and_are_no_damage(log: Damaged) -> None:
    log.batches.sealer.destroyed.add("clear:1")
    report = log.check()
    assert (report.problems, report.values, report.shredded) == ([], 0, 28)


def test_side_rows_that_were_erased_are_no_damage(log: Damaged) -> None:
    log.sql("DELETE FROM side_row WHERE name = 'subject'")
    assert log.check().problems == []


def test_an_open_exchange_of_a_dead_process_is_told(log: Damaged) -> None:
    problems = log.check(dead=True).problems
    assert len(problems) == 1
    assert "exchange e3 of a dead process" in problems[0]


def test_what_a_worker_appends_meanwhile_is_no_damage(log: Damaged) -> None:
    """Records, ends and checkpoints that come after the heads were read."""

    def meanwhile(_: int) -> None:
        if log.store.head("default").size == 5:
            log.batches.commit(outcome("e3"), intent("e4"), intent("e5"), outcome("e4"))
            sign_checkpoint(log.store, "default", SIGNER)

    report = fsck(
        log.store,
        public=SIGNER.public,
        opener=log.batches.sealer,
        alive=lambda _: True,
        progress=meanwhile,
    )
    assert report.problems == []
    assert log.store.head("default").size == 9


def test_a_table_that_is_off_in_every_row_is_not_printed_whole(log: Damaged) -> None:
    log.batches.commit(*[record("auth.failed", address="x") for _ in range(MOST * 2)])
    log.sql("UPDATE side_row SET value = x'00'")
    assert len(log.check().problems) == MOST
