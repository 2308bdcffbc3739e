"""Check one's own database whole: every entry, every root, every checkpoint, every side row.

An entry that is off ends the check of its log, because everything after it hangs on it;
all other damage is listed and the check goes on. A worker may write meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from guard.audit import verify
from guard.audit.batch import Head, OpenExchange
from guard.audit.checkpoint import opened, origin
from guard.audit.export import ExportStore, Opener, StoredEntry, StoredValue
from guard.audit.leaf import associated
from guard.errors import DecryptionFailed, KeyUnavailable

__all__ = ["Report", "fsck"]

PAGE = 500
MOST = 100
"""Problems that are spelled out; a table that is off in every row need not be printed."""


class Entry(StoredEntry, Protocol):
    """An entry with the columns that the database repeats."""

    @property
    def index(self) -> int: ...
    @property
    def time(self) -> int: ...
    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def exchange(self) -> str: ...
    @property
    def hash(self) -> bytes: ...


class FsckStore(ExportStore, Protocol):
    """What a check reads."""

    def logs(self) -> list[str]: ...
    def head(self, log: str) -> Head: ...
    def leaves(self, log: str, *, start: int = 0, stop: int | None = None) -> Iterator[Entry]: ...
    def checkpoints(self, log: str) -> Sequence[tuple[int, str]]: ...
    def exchange(self, exchange: str) -> Sequence[tuple[str, Entry]]: ...
    def open_exchanges(self) -> list[OpenExchange]: ...
    def orphans(self) -> Mapping[str, int]: ...


@dataclass(slots=True)
class Report:
    """What was checked and what is wrong with it."""

    entries: int = 0
    checkpoints: int = 0
    values: int = 0
    shredded: int = 0
    problems: list[str] = field(default_factory=list)

    def found(self, problem: str) -> None:
        """List a problem, unless there are too many already."""
        if len(self.problems) < MOST:
            self.problems.append(problem)


def fsck(
    store: FsckStore,
    *,
    public: bytes,
    opener: Opener,
    alive: Callable[[str], bool],
    progress: Callable[[int], None] = lambda _: None,
) -> Report:
    """Check every log; problems are listed, not raised."""
    report = Report()
    checks: dict[str, verify.LogCheck] = {}
    for log in store.logs():
        checking = _Checking(store, log, public, opener, report)
        with _listed(report, f"log {log}"):
            checks[log] = checking.run(progress)
    for table, count in store.orphans().items():
        if count:
            report.found(f"{count} rows of table {table} belong to no entry of a log")
    with _listed(report, "table open_exchange"):
        _check_open(store, checks, alive, report)
    return report


@contextmanager
def _listed(report: Report, what: str) -> Iterator[None]:
    """List what ends a part of the check."""
    try:
        yield
    except verify.VerificationFailed as failure:
        report.found(str(failure))
    except (TypeError, ValueError, AttributeError) as error:
        # SQLite keeps any type in any column; Guard never writes another one.
        report.found(f"{what}: a column holds another type than its own ({type(error).__name__})")


class _Checking:
    """The check of one log."""

    def __init__(self, store: FsckStore, log: str, public: bytes, opener: Opener, report: Report) -> None:
        self._store = store
        self._log = log
        self._public = public
        self._opener = opener
        self._report = report
        self._check = verify.LogCheck(log)

    def run(self, progress: Callable[[int], None]) -> verify.LogCheck:
        """Check everything. Raises ``VerificationFailed`` where going on makes no sense."""
        # Checkpoints first: one that a running worker signs meanwhile would be ahead of the head.
        signed = dict(self._store.checkpoints(self._log))
        head = self._store.head(self._log)
        entries = self._store.leaves(self._log, stop=head.size)
        while page := list(islice(entries, PAGE)):
            sealed: dict[str, object] = {}
            for row in page:
                leaf = self._entry(row)
                sealed[str(leaf["id"])] = leaf["sealed"]
                self._checkpoint(signed.pop(self._check.size, None))
            self._values(sealed)
            progress(len(page))
        state = (self._check.size, self._check.last, self._check.frontier)
        if state != (head.size, head.time, head.frontier):
            self._fail(f"{self._check.size} entries, but the head says {head.size}, or another tree or time")
        if signed:
            self._fail(f"a checkpoint of {max(signed)} entries is ahead of the log: entries are missing")
        return self._check

    def _fail(self, what: str) -> None:
        raise verify.VerificationFailed(f"log {self._log}: {what}")

    def _entry(self, row: Entry) -> dict[str, object]:
        index = self._check.size
        if row.index != index or row.hash != verify.leaf_hash(row.body):
            self._fail(f"entry {index}: index or hash is off")
        leaf: dict[str, object] = self._check.add(row.body)
        stated = (row.time, row.id, row.type, row.exchange)
        if stated != (leaf["time"], leaf["id"], leaf["type"], leaf.get("exchange", "")):
            self._report.found(f"log {self._log} entry {index}: a column differs from the entry")
        self._report.entries += 1
        return leaf

    def _checkpoint(self, text: str | None) -> None:
        if text is None:
            return
        size = self._check.size
        try:
            checkpoint = opened(text, self._public)
        except verify.VerificationFailed as failure:
            self._report.found(f"log {self._log}, checkpoint of {size} entries: {failure}")
            return
        stated = (checkpoint.origin, checkpoint.size, checkpoint.root)
        if stated != (origin(self._log), size, verify.root_of(self._check.frontier)):
            self._report.found(f"log {self._log}: the checkpoint of {size} entries is of another tree")
        self._report.checkpoints += 1

    def _values(self, sealed: Mapping[str, object]) -> None:
        for row in self._store.side_rows(self._log, list(sealed)):
            commitments = sealed.get(row.leaf_id)
            stated = commitments.get(row.name) if isinstance(commitments, dict) else None
            try:
                whole = self._digest(row) == stated
            except KeyUnavailable:
                self._report.shredded += 1
                continue
            except DecryptionFailed:
                whole = False
            self._report.values += whole
            if not whole:
                self._report.found(
                    f"log {self._log}: side row {row.name} of {row.leaf_id} is not what was sealed"
                )

    def _digest(self, row: StoredValue) -> str:
        """Return the commitment to what a side row holds: salt and canonical value as they were sealed."""
        bound = associated(self._log, row.leaf_id, row.name)
        plain = self._opener.open(row.key_id, row.value, tenant=self._log, associated=bound)
        return hashlib.sha256(plain).hexdigest()


def _check_open(
    store: FsckStore,
    checks: Mapping[str, verify.LogCheck],
    alive: Callable[[str], bool],
    report: Report,
) -> None:
    listed = {exchange.exchange: exchange for exchange in store.open_exchanges()}
    for exchange in listed.values():
        if not alive(exchange.boot):
            report.found(
                f"exchange {exchange.exchange} of a dead process has no end yet; "
                "a running worker will record it as a gap"
            )
    for log, check in checks.items():
        for name in check.ended & listed.keys():
            report.found(f"log {log}: exchange {name} has its end and is still listed as open")
        for name in check.open - listed.keys():
            # It may have ended since its entries were read.
            if not _ended(store.exchange(name)):
                report.found(f"log {log}: exchange {name} has no end and is not listed as open")


def _ended(entries: Iterable[tuple[str, Entry]]) -> bool:
    ends = ("exchange.outcome", "exchange.gap", "exchange.refused")
    return any(entry.type in ends for _, entry in entries)
