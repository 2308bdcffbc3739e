"""The outbox: a change and its event are one, and the log has the event once, whatever crashes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, text

from guard.audit.log import Log
from guard.errors import AuditUnavailable, Conflict
from guard.identity.issuance import Grant, Issuer
from guard.keys.keyring import Keyring
from guard.storage.keys import SqlKeyStore
from guard.storage.log import SqlLogStore
from guard.storage.outbox import relay
from tests.fakes.outbox import waiting_events
from tests.fakes.recorder import KeptRecords

NOW = 1_764_000_000_000_000
OPERATOR = "local:4711"


class Desk:
    """Changes keys in a database."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.keys = SqlKeyStore(engine)
        self.keyring = Keyring.create(folder / "keyring")
        self.issuer = Issuer(self.keys, self.keyring, principal=OPERATOR)

    def issue(self, key_id: str) -> str:
        grant = Grant(application="crm")
        entropy = key_id.encode().ljust(32, b".")
        return self.issuer.issue(grant, key_id=key_id, now=NOW, entropy=entropy).key

    def rotate(self, key_id: str, successor: str) -> None:
        entropy = successor.encode().ljust(32, b".")
        self.issuer.rotate(key_id, successor=successor, overlap=5, now=NOW + 1, entropy=entropy)

    def waiting(self) -> list[str]:
        return [item.type for item in waiting_events(self.engine)]


@pytest.fixture
def desk(guard_engine: Engine, tmp_path: Path) -> Desk:
    return Desk(guard_engine, tmp_path)


@pytest.fixture
def log(store: SqlLogStore, desk: Desk) -> Iterator[Log]:
    opened = Log(store, boot="boot-1", sealer=desk.keyring, failed=lambda _: None)
    opened.start()
    yield opened
    opened.close()


def types(store: SqlLogStore) -> list[str]:
    return [leaf.type for leaf in store.leaves("default")]


def test_events_reach_the_log_in_the_order_of_the_changes(desk: Desk, store: SqlLogStore, log: Log) -> None:
    for number in range(12):
        desk.issue(f"k{number}")
    desk.rotate("k3", "k99")
    desk.issuer.revoke("k3", now=NOW + 2)
    assert asyncio.run(relay(desk.engine, log)) == 15
    assert types(store) == ["key.issued"] * 13 + ["key.rotated", "key.revoked"]
    assert desk.waiting() == []
    assert asyncio.run(relay(desk.engine, log)) == 0


def test_the_order_is_that_of_the_names_and_not_of_the_rows(desk: Desk) -> None:
    """PostgreSQL gives rows as it likes."""
    with desk.engine.connect() as connection, connection.begin():
        for name in ("2", "1", "3"):
            plain: dict[str, object] = {"tenant": name, "type": "key.issued", "fields": {}, "sealed": {}}
            statement = text("INSERT INTO outbox (id, record) VALUES (:id, :record)")
            connection.execute(statement, {"id": name, "record": json.dumps(plain)})
    recorder = KeptRecords()
    asyncio.run(relay(desk.engine, recorder))
    assert [item.tenant for item in recorder.records] == ["1", "2", "3"]


def test_the_event_in_the_log_is_the_one_that_was_left(desk: Desk, store: SqlLogStore, log: Log) -> None:
    desk.issue("k1")
    asyncio.run(relay(desk.engine, log))
    (leaf,) = store.leaves("default")
    entry = json.loads(leaf.body)
    assert (entry["application"], entry["models"], entry["expires"]) == ("crm", ["*"], None)
    assert entry["sealed"].keys() == {"key", "principal"}


def test_a_change_that_fails_leaves_no_event_and_an_event_that_fails_no_change(desk: Desk) -> None:
    def fail(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("INSERT INTO outbox"):
            raise OSError("disk full")

    event.listen(desk.engine, "before_cursor_execute", fail)
    with pytest.raises(OSError, match="disk full"):
        desk.issue("k1")
    event.remove(desk.engine, "before_cursor_execute", fail)
    assert (list(desk.keys.list()), desk.keys.version(), desk.waiting()) == ([], 0, [])
    desk.issue("k1")
    with pytest.raises(Conflict):
        desk.issue("k1")
    assert desk.waiting() == ["key.issued"]


def test_a_crash_between_append_and_delete_does_not_repeat_the_record(
    desk: Desk, store: SqlLogStore, log: Log
) -> None:
    desk.issue("k1")
    desk.issue("k2")

    def crash(connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.startswith("DELETE FROM outbox"):
            raise KeyboardInterrupt

    event.listen(desk.engine, "before_cursor_execute", crash)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(relay(desk.engine, log))
    event.remove(desk.engine, "before_cursor_execute", crash)
    assert (len(types(store)), desk.waiting()) == (1, ["key.issued"] * 2)
    assert asyncio.run(relay(desk.engine, log)) == 2
    assert types(store) == ["key.issued", "key.issued"]
    assert len({leaf.body for leaf in store.leaves("default")}) == 2


def test_a_log_that_is_away_leaves_the_event_waiting(desk: Desk) -> None:
    desk.issue("k1")
    desk.issue("k2")
    recorder = KeptRecords()
    recorder.failing = 1
    with pytest.raises(AuditUnavailable):
        asyncio.run(relay(desk.engine, recorder))
    assert desk.waiting() == ["key.issued"] * 2
    assert asyncio.run(relay(desk.engine, recorder)) == 2
    assert desk.waiting() == []


def test_two_relays_at_once_write_each_event_once(desk: Desk, store: SqlLogStore, log: Log) -> None:
    for number in range(10):
        desk.issue(f"k{number}")

    async def both() -> None:
        await asyncio.gather(relay(desk.engine, log), relay(desk.engine, log))

    asyncio.run(both())
    assert types(store) == ["key.issued"] * 10


def test_names_do_not_come_again_after_a_backup_was_restored(
    desk: Desk, store: SqlLogStore, log: Log
) -> None:
    """The counter starts again where the backup left it, while the log is further on."""
    desk.issue("k1")
    desk.issue("k2")
    asyncio.run(relay(desk.engine, log))
    with desk.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE version SET value = 1"))
        connection.execute(text("DELETE FROM api_key WHERE id = 'k2'"))
    desk.issue("k3")
    asyncio.run(relay(desk.engine, log))
    assert types(store) == ["key.issued"] * 3


def test_nothing_that_is_sealed_stays_in_plain_once_it_is_delivered(
    desk: Desk, log: Log, tmp_path: Path
) -> None:
    """Not in a page that SQLite has freed, either."""
    key = desk.issue("k1")
    asyncio.run(relay(desk.engine, log))
    with desk.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    files = [path for path in tmp_path.iterdir() if path.name.startswith(("guard.db", "log.db"))]
    assert len(files) >= 2
    for path in files:
        data = path.read_bytes()
        assert OPERATOR.encode() not in data, path.name
        assert key[8:38].encode() not in data, path.name
