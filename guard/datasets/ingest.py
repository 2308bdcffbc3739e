"""Ingest: a file becomes a protected, encrypted, registered copy.

::

    1 survey   read the source once: identity, kinds, findings in a sample
    2 plan     policy → a transform for each column          (the report; nothing is written yet)
    3 write    transform → encrypt → shard, journal, again   (resumes here after a crash)
    4 register one transaction with the event

The source is read where it lies and never copied. A dataset's id follows from what went
in, so a second run of the same ingest finds its own work. One process at a time works on
a dataset, and a registered one is never touched again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from guard.datasets.identity import RowsDigest
from guard.datasets.journal import Journal, Step
from guard.datasets.plan import DatasetStore, Plan
from guard.datasets.shards import KeyWrapper, write_shard
from guard.datasets.transform import Transformer
from guard.documents.rows import Place, Row, RowFile
from guard.domain.dataset import Dataset, Shard
from guard.domain.event import Record
from guard.errors import Conflict

__all__ = ["write_dataset"]

SHARD_ROWS = 4096
SHARD_BYTES = 1 << 26
"""Of the source; what a shard may take in memory while it is made."""


def write_dataset(
    plan: Plan,
    source: RowFile,
    *,
    principal: str,
    folder: Path,
    transformer: Transformer,
    keys: KeyWrapper,
    store: DatasetStore,
    clock: Callable[[], int],
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Dataset, dict[str, int]]:
    """Write what ``plan`` says and register it; return it and the findings changed inside texts.

    ``folder``: of this dataset alone; ``clock``: µs since 1970. Raises ``Conflict`` if the
    source is not what was surveyed, or another process ingests the same.
    """
    with _alone(folder):
        if any(dataset.id == plan.id for dataset in store.list()):
            raise Conflict("this dataset is registered already", code="name_taken")
        journal = Journal(folder, source=plan.survey.digest)
        steps = _finished(folder, journal)
        total = RowsDigest(steps[-1].total if steps else "")
        for rows, after in _batches(source, steps[-1].after if steps else None):
            for row in rows:
                total.add(row.values)
            shard, changed = _shard(
                rows, plan, f"{len(steps):06d}.shard", folder=folder, transformer=transformer, keys=keys
            )
            steps.append(Step(shard=shard, after=after, total=total.total, changed=changed))
            journal.add(steps[-1])
            progress(after.rows)
        if total.identity() != plan.survey.identity:
            journal.remove()
            raise Conflict("the file changed while it was read; run the ingest again", code="source_changed")
        dataset = replace(plan.dataset, shards=tuple(step.shard for step in steps), created=clock())
        event = registered(dataset, principal)
        store.add(dataset, plan.survey.sketch, event, compared=plan.compared)
        journal.remove()
    counts: Counter[str] = Counter()
    for step in steps:
        counts.update(step.changed)
    return dataset, dict(counts)


def _shard(
    rows: list[Row], plan: Plan, name: str, *, folder: Path, transformer: Transformer, keys: KeyWrapper
) -> tuple[Shard, dict[str, int]]:
    """Write rows as one shard, durably; return it and the findings changed in it."""
    before = Counter(transformer.changed)
    protected = [transformer.row(row.values) for row in rows]
    shard = write_shard(
        folder,
        name,
        transformer.columns,
        protected,
        keys=keys,
        tenant=plan.dataset.tenant,
        dataset=plan.id,
    )
    return shard, dict(Counter(transformer.changed) - before)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Work in a folder alone. Raises ``Conflict`` if somebody is at work there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("another process ingests this dataset now", code="ingest_running") from None
        yield
    finally:
        os.close(descriptor)


def _finished(folder: Path, journal: Journal) -> list[Step]:
    """Return the steps whose shards lie there as they were written, and remove everything else."""
    steps: list[Step] = []
    for step in journal.steps():
        path = folder / step.shard.name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != step.shard.digest:
            break
        steps.append(step)
    kept = {step.shard.name for step in steps}
    for path in folder.iterdir():
        if path.suffix in (".shard", ".new") and path.name not in kept:
            path.unlink()
    journal.rewrite(steps)
    return steps


def _batches(source: RowFile, start: Place | None) -> Iterator[tuple[list[Row], Place]]:
    batch: list[Row] = []
    begin = start.offset if start else 0
    for row in source.rows(start):
        batch.append(row)
        if len(batch) == SHARD_ROWS or row.after.offset - begin >= SHARD_BYTES:
            yield batch, row.after
            batch, begin = [], row.after.offset
    if batch:
        yield batch, batch[-1].after


def registered(dataset: Dataset, principal: str) -> Record:
    """Return the event of a registration."""
    return Record(
        tenant=dataset.tenant,
        type="dataset.registered",
        fields={
            "columns": len(dataset.columns),
            "dataset": dataset.id,
            "identity": dataset.identity,
            "licence": dataset.licence,
            "parent": dataset.parent,
            "policy": dataset.policy,
            "purpose": dataset.purpose,
            "root": dataset.root,
            "rows": dataset.rows,
            "shards": len(dataset.shards),
            "unit": dataset.unit.kind.value,
        },
        sealed={"principal": principal},
    )
