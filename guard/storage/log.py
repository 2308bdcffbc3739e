"""The log in SQL: one write transaction a batch, readers for everybody who checks or shows.

SQLite: a blocking ``flock`` in front of ``BEGIN IMMEDIATE`` (SQLite's own busy handler
starves writers). PostgreSQL: ``FOR UPDATE`` on the head rows queues fairly by itself.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, bindparam, delete, func, insert, or_, select, text, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.expression import Executable

from guard.audit.batch import Counter, Head, LogTransaction, OpenExchange, Writes, held_from, held_plain
from guard.domain.event import Receipt
from guard.storage.database import sqlite_path
from guard.storage.log_tables import checkpoints, delivered, heads, leaves, open_exchanges, side_rows, usage
from guard.storage.prepared import Prepared

__all__ = ["LeafRow", "SideRowRow", "SqlLogStore"]

HASH = 32
NAMES = tuple(f"name_{number}" for number in range(8))
PAGE = 2000
FILE, AHEAD = "", "-wal"
"""What is added to the path of the log: nothing, and the write-ahead log beside it."""


@dataclass(frozen=True, slots=True)
class LeafRow:
    """A stored entry."""

    index: int
    time: int
    id: str
    type: str
    exchange: str
    hash: bytes
    body: bytes


class SideRowRow(NamedTuple):
    """A stored sealed value."""

    leaf_id: str
    name: str
    key_id: str
    value: bytes


class SqlLogStore:
    """Implements ``audit.log.LogStore`` and reads what it wrote."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._path = sqlite_path(engine)
        self._lock = open(f"{self._path}.lock", "w") if self._path else None  # noqa: SIM115 (held for the store's life)
        self._files: dict[str, tuple[int, int]] = {}
        self._writer: Connection | None = None
        self._statements = _Statements(engine)

    def transaction(self) -> AbstractContextManager[LogTransaction]:
        """Take the lock and open a write transaction; leaving it commits durably."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[LogTransaction]:
        if self._lock:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            self._check(FILE)
            yield from self._written()
        finally:
            if self._lock:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _written(self) -> Iterator[LogTransaction]:
        try:
            with self._connection().begin():
                self._check(AHEAD)
                yield _Transaction(self._connection(), self._statements)
            for suffix in (FILE, AHEAD) if self._path else ():
                self._files.setdefault(suffix, self._identity(suffix))
        except BaseException:
            # Whatever went wrong, the next batch starts from what is on disk.
            self._forget_connection()
            raise

    def _check(self, suffix: str) -> None:
        """Raise ``OSError`` if a file of the log is another than the one written before.

        SQLite goes on writing into a file that somebody has deleted or replaced: what it
        acknowledges would be gone with the process.
        """
        known = self._files.get(suffix)
        if known is not None and self._identity(suffix) != known:
            raise OSError("a file of the log was removed or replaced; put it back or restart Guard")

    def _identity(self, suffix: str) -> tuple[int, int]:
        state = os.stat(f"{self._path}{suffix}")
        return state.st_dev, state.st_ino

    def _connection(self) -> Connection:
        if self._writer is None:
            self._writer = self._engine.connect().execution_options(guard_write=True)
        return self._writer

    def _forget_connection(self) -> None:
        writer, self._writer = self._writer, None
        # The last connection that closes takes the write-ahead log with it.
        self._files.pop(AHEAD, None)
        if writer is not None:
            writer.invalidate()
            writer.close()

    def close(self) -> None:
        """Give back the connection and the lock file."""
        self._forget_connection()
        if self._lock:
            self._lock.close()

    def logs(self) -> list[str]:
        """Return the names of all logs."""
        with self._engine.connect() as connection:
            return list(connection.execute(select(heads.c.log).order_by(heads.c.log)).scalars())

    def head(self, log: str) -> Head:
        """Return the state of one log."""
        query = select(heads.c.size, heads.c.time, heads.c.frontier).where(heads.c.log == log)
        with self._engine.connect() as connection:
            return _head_of(connection.execute(query).first())

    def leaves(self, log: str, *, start: int = 0, stop: int | None = None) -> Iterator[LeafRow]:
        """Yield entries in order of index, a page at a time."""
        columns = (
            leaves.c.idx,
            leaves.c.time,
            leaves.c.id,
            leaves.c.type,
            leaves.c.exchange,
            leaves.c.hash,
            leaves.c.body,
        )
        while stop is None or start < stop:
            query = select(*columns).where(leaves.c.log == log, leaves.c.idx >= start)
            if stop is not None:
                query = query.where(leaves.c.idx < stop)
            with self._engine.connect() as connection:
                page = connection.execute(query.order_by(leaves.c.idx).limit(PAGE)).all()
            for row in page:
                yield LeafRow(*row)
            if len(page) < PAGE:
                return
            start = page[-1][0] + 1

    def exchange(self, exchange: str) -> list[tuple[str, LeafRow]]:
        """Return the entries of one exchange with their logs, in order."""
        columns = (
            leaves.c.log,
            leaves.c.idx,
            leaves.c.time,
            leaves.c.id,
            leaves.c.type,
            leaves.c.exchange,
            leaves.c.hash,
            leaves.c.body,
        )
        query = select(*columns).where(leaves.c.exchange == exchange).order_by(leaves.c.idx)
        with self._engine.connect() as connection:
            return [(row[0], LeafRow(*row[1:])) for row in connection.execute(query)]

    def side_rows(self, log: str, leaf_ids: Sequence[str] | None = None) -> Iterator[SideRowRow]:
        """Yield side rows of a log, or of some of its entries."""
        query = select(side_rows.c.leaf_id, side_rows.c.name, side_rows.c.key_id, side_rows.c.value)
        query = query.where(side_rows.c.log == log).order_by(side_rows.c.leaf_id, side_rows.c.name)
        if leaf_ids is not None:
            query = query.where(side_rows.c.leaf_id.in_(leaf_ids))
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                yield SideRowRow(*row)

    def open_exchanges(self) -> list[OpenExchange]:
        """Return every exchange without an end."""
        with self._engine.connect() as connection:
            return [_opened(row) for row in connection.execute(select(open_exchanges))]

    def forget_usage(self, before: int) -> None:
        """Delete counters of windows that ended before ``before`` (seconds since 1970)."""
        ended = (usage.c.seconds > 0) & (usage.c.start + usage.c.seconds < before)
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            connection.execute(delete(usage).where(ended))

    def newest_checkpoint(self, log: str) -> str | None:
        """Return the text of a log's newest checkpoint."""
        query = select(checkpoints.c.text).where(checkpoints.c.log == log)
        with self._engine.connect() as connection:
            return connection.execute(query.order_by(checkpoints.c.size.desc()).limit(1)).scalar()

    def checkpoints(self, log: str) -> list[tuple[int, str]]:
        """Return size and text of all checkpoints of a log, oldest first."""
        query = select(checkpoints.c.size, checkpoints.c.text).where(checkpoints.c.log == log)
        with self._engine.connect() as connection:
            return [(row.size, row.text) for row in connection.execute(query.order_by(checkpoints.c.size))]

    def orphans(self) -> dict[str, int]:
        """Count the rows of each table that belong to no entry, or to an entry beyond its log's head."""
        beyond = select(leaves.c.log).outerjoin(heads, heads.c.log == leaves.c.log)
        beyond = beyond.where(or_(heads.c.log.is_(None), leaves.c.idx >= heads.c.size))
        entry = tuple_(side_rows.c.log, side_rows.c.leaf_id)
        loose = select(side_rows.c.log).where(entry.not_in(select(leaves.c.log, leaves.c.id)))
        foreign = select(checkpoints.c.log).where(checkpoints.c.log.not_in(select(heads.c.log)))
        # A statement each: one snapshot, so that what is being appended meanwhile is whole.
        with self._engine.connect() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one()
                for table, rows in ((leaves, beyond), (side_rows, loose), (checkpoints, foreign))
            }

    def add_checkpoint(self, log: str, size: int, signed: str) -> None:
        """Store a checkpoint; one of the same size is kept."""
        try:
            with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
                connection.execute(insert(checkpoints).values(log=log, size=size, text=signed))
        except IntegrityError:
            return


class _Statements:
    """What every transaction of the log runs. ON CONFLICT is spelled alike by SQLite and PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        def prepared(statement: Executable) -> Prepared:
            return Prepared(statement, engine)

        head = select(heads.c.size, heads.c.time, heads.c.frontier).where(heads.c.log == bindparam("log"))
        self.head = prepared(head.with_for_update())
        self.new_head = prepared(
            text(
                "INSERT INTO head (log, size, time, frontier) VALUES (:log, 0, 0, :frontier)"
                " ON CONFLICT (log) DO NOTHING"
            )
        )
        self.set_head = prepared(
            text("UPDATE head SET size = :size, time = :time, frontier = :frontier WHERE log = :log")
        )
        self.counter = prepared(
            select(usage.c.amount).where(
                usage.c.key_id == bindparam("key_id"),
                usage.c.unit == bindparam("unit"),
                usage.c.seconds == bindparam("seconds"),
                usage.c.start == bindparam("start"),
            )
        )
        self.count = prepared(
            text(
                "INSERT INTO usage (key_id, unit, seconds, start, amount)"
                " VALUES (:key_id, :unit, :seconds, :start, :amount)"
                " ON CONFLICT (key_id, unit, seconds, start) DO UPDATE SET amount = excluded.amount"
            )
        )
        named = open_exchanges.c.exchange.in_([bindparam(name) for name in NAMES])
        self.opened = prepared(select(open_exchanges).where(named))
        self.open = prepared(
            text(
                "INSERT INTO open_exchange (exchange, log, boot, attempt, held)"
                " VALUES (:exchange, :log, :boot, :attempt, :held)"
                " ON CONFLICT (exchange) DO UPDATE SET attempt = excluded.attempt, held = excluded.held"
            )
        )
        self.close = prepared(delete(open_exchanges).where(named))
        self.written = prepared(
            select(delivered.c.log, delivered.c.idx, delivered.c.time, delivered.c.leaf_id).where(
                delivered.c.name == bindparam("name")
            )
        )
        self.once = prepared(insert(delivered))
        self.leaf = prepared(insert(leaves))
        self.row = prepared(insert(side_rows))


class _Transaction:
    """Implements ``audit.batch.LogTransaction`` on an open connection."""

    def __init__(self, connection: Connection, statements: _Statements) -> None:
        self._connection = connection
        self._run = statements

    def heads(self, logs: Iterable[str]) -> dict[str, Head]:
        return {log: self._head(log) for log in sorted(logs)}

    def _head(self, log: str) -> Head:
        row = self._run.head.one(self._connection, log=log)
        if row is None:
            self._run.new_head.one(self._connection, log=log, frontier=b"")
            row = self._run.head.one(self._connection, log=log)
        return _head_of(row)

    def counters(self, counters: Iterable[Counter]) -> dict[Counter, int]:
        found: dict[Counter, int] = {}
        for counter in sorted(set(counters)):
            row = self._run.counter.one(self._connection, **_counter_key(counter))
            found[counter] = row[0] if row else 0
        return found

    def open_exchanges(self, exchanges: Iterable[str]) -> dict[str, OpenExchange]:
        found: dict[str, OpenExchange] = {}
        for names in _named(exchanges):
            for row in self._run.opened.all(self._connection, **names):
                opened = _opened(row)
                found[opened.exchange] = opened
        return found

    def written(self, names: Iterable[str]) -> dict[str, Receipt]:
        found: dict[str, Receipt] = {}
        for name in sorted(names):
            row = self._run.written.one(self._connection, name=name)
            if row is not None:
                log, index, time, leaf_id = row
                found[name] = Receipt(tenant=log, index=index, time=time, id=leaf_id)
        return found

    def write(self, writes: Writes) -> None:
        connection, run = self._connection, self._run
        run.once.many(connection, [_delivered_row(name, receipt) for name, receipt in writes.once.items()])
        run.leaf.many(
            connection,
            [
                {
                    "log": leaf.log,
                    "idx": leaf.index,
                    "time": leaf.time,
                    "id": leaf.id,
                    "type": leaf.type,
                    "exchange": leaf.exchange,
                    "hash": leaf.hash,
                    "body": leaf.body,
                }
                for leaf in writes.leaves
            ],
        )
        names = ("log", "leaf_id", "name", "key_id", "value")
        run.row.many(connection, [dict(zip(names, row, strict=True)) for row in writes.rows])
        run.set_head.many(
            connection,
            [
                {"log": log, "size": head.size, "time": head.time, "frontier": b"".join(head.frontier)}
                for log, head in writes.heads.items()
            ],
        )
        run.open.many(connection, [_open_row(opened) for opened in writes.opened.values()])
        run.close.many(connection, list(_named(writes.closed)))
        run.count.many(
            connection,
            [{**_counter_key(counter), "amount": amount} for counter, amount in writes.counters.items()],
        )


def _named(exchanges: Iterable[str]) -> Iterator[dict[str, str]]:
    """Yield parameters that name a few exchanges each; the last ones name one repeatedly."""
    ordered = sorted(exchanges)
    for start in range(0, len(ordered), len(NAMES)):
        few = ordered[start : start + len(NAMES)]
        yield dict(zip(NAMES, few + few[-1:] * (len(NAMES) - len(few)), strict=True))


def _counter_key(counter: Counter) -> dict[str, str | int]:
    key, unit, seconds, start = counter
    return {"key_id": key, "unit": unit, "seconds": seconds, "start": start}


def _head_of(row: Sequence[Any] | None) -> Head:
    if row is None:
        return Head()
    size, time, frontier = row
    whole = bytes(frontier)
    return Head(size=size, time=time, frontier=[whole[at : at + HASH] for at in range(0, len(whole), HASH)])


def _opened(row: Sequence[Any]) -> OpenExchange:
    exchange, log, boot, attempt, held = row
    return OpenExchange(
        exchange=exchange, log=log, boot=boot, attempt=attempt, held=held_from(json.loads(held))
    )


def _delivered_row(name: str, receipt: Receipt) -> dict[str, str | int]:
    return {
        "name": name,
        "log": receipt.tenant,
        "idx": receipt.index,
        "time": receipt.time,
        "leaf_id": receipt.id,
    }


def _open_row(opened: OpenExchange) -> dict[str, str | int]:
    return {
        "exchange": opened.exchange,
        "log": opened.log,
        "boot": opened.boot,
        "attempt": opened.attempt,
        "held": json.dumps(held_plain(opened.held)),
    }
