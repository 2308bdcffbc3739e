"""Check one's own database whole: every entry, every root, every checkpoint, every side row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from guard.audit import verify
from guard.audit.batch import Head, OpenExchange
from guard.audit.checkpoint import KEY_NAME, origin
from guard.audit.export import ExportStore, Opener, StoredEntry, unsealed

__all__ = ["Report", "fsck"]

SALT = 16


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
    def checkpoints(self, log: str) -> list[str]: ...
    def open_exchanges(self) -> list[OpenExchange]: ...


@dataclass(slots=True)
class Report:
    """What was checked and what is wrong with it."""

    entries: int = 0
    checkpoints: int = 0
    values: int = 0
    shredded: int = 0
    problems: list[str] = field(default_factory=list)


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
    for log in store.logs():
        try:
            _check_log(store, log, public, opener, report, progress=progress)
        except verify.VerificationFailed as failure:
            report.problems.append(str(failure))
    opened = {exchange.exchange: exchange for exchange in store.open_exchanges()}
    for exchange in opened.values():
        if not alive(exchange.boot):
            report.problems.append(
                f"exchange {exchange.exchange} of a dead process has no end yet; "
                "a running worker will record it as a gap"
            )
    return report


def _check_log(
    store: FsckStore,
    log: str,
    public: bytes,
    opener: Opener,
    report: Report,
    *,
    progress: Callable[[int], None],
) -> None:
    # Checkpoints first: one that a running worker signs meanwhile would be ahead of the head.
    pending = {verify_size(text): text for text in store.checkpoints(log)}
    head = store.head(log)
    frontier: list[bytes] = []
    lines: list[bytes] = []
    for index, entry in enumerate(store.leaves(log, stop=head.size)):
        if entry.index != index or entry.hash != verify.leaf_hash(entry.body):
            raise verify.VerificationFailed(f"log {log} entry {index}: index or hash is off")
        verify.grow(frontier, index, entry.hash)
        lines.append(entry.body)
        report.entries += 1
        progress(1)
        text = pending.pop(index + 1, None)
        if text is not None:
            checkpoint = verify.open_checkpoint(text, KEY_NAME, public)
            if checkpoint.origin != origin(log) or checkpoint.root != verify.root_of(frontier):
                raise verify.VerificationFailed(f"log {log}: the checkpoint of size {index + 1} differs")
            report.checkpoints += 1
    if len(lines) != head.size or frontier != head.frontier:
        raise verify.VerificationFailed(f"log {log}: {len(lines)} entries, but the head says {head.size}")
    if pending:
        raise verify.VerificationFailed(f"log {log}: a checkpoint is ahead of the log: entries are missing")
    entries, _ = verify.check_entries(log, lines)
    _check_columns(store, log, entries)
    _check_values(store, log, entries, opener, report)


def verify_size(text: str) -> int:
    """Return the size that a checkpoint states; -1 if it states none."""
    lines = text.split("\n")
    return int(lines[1]) if len(lines) > 1 and lines[1].isdigit() else -1


def _check_columns(store: FsckStore, log: str, entries: list[dict[str, object]]) -> None:
    for row, entry in zip(store.leaves(log, stop=len(entries)), entries, strict=True):
        stated = (row.time, row.id, row.type, row.exchange)
        if stated != (entry["time"], entry["id"], entry["type"], entry.get("exchange", "")):
            raise verify.VerificationFailed(f"log {log} entry {row.index}: a column differs from the entry")


def _check_values(
    store: FsckStore, log: str, entries: list[dict[str, object]], opener: Opener, report: Report
) -> None:
    sealed = {entry["id"]: entry["sealed"] for entry in entries}
    for row in store.side_rows(log):
        commitments = sealed.get(row.leaf_id)
        if commitments is None:
            continue  # appended while the check ran
        plain = unsealed(opener, log, row)
        if plain is None:
            report.shredded += 1
            continue
        value = verify.decode(plain[SALT:], f"log {log} side row")
        stated = commitments.get(row.name) if isinstance(commitments, dict) else None
        if verify.commitment(plain[:SALT], value) != stated:
            raise verify.VerificationFailed(f"log {log}: side row {row.name} of {row.leaf_id} differs")
        report.values += 1
