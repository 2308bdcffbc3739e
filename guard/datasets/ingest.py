"""Ingest: a file becomes a protected, encrypted, registered copy.

::

    1 survey   read the source once: identity, kinds, findings in a sample
    2 plan     policy → a transform for each column          (the report; nothing is written yet)
    3 write    transform → encrypt → shard, journal, again   (resumes here after a crash)
    4 register one transaction with the event

The source is read where it lies and never copied. A dataset's id follows from what went
in, so a second run of the same ingest finds its own work.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from guard.datasets.identity import Sketch, shared_fraction
from guard.datasets.journal import Journal, Step
from guard.datasets.shards import KeyWrapper, write_shard
from guard.datasets.survey import Survey, file_digest
from guard.datasets.transform import Transformer, plan_transforms
from guard.documents.rows import Place, Row, RowFile
from guard.domain.canonical import digest
from guard.domain.dataset import ColumnTransform, Dataset, Shard
from guard.domain.event import Record
from guard.domain.privacy import PrivacyUnit
from guard.errors import Conflict
from guard.policy.dataset import DatasetPolicy

__all__ = ["DatasetStore", "Plan", "Request", "plan_ingest", "write_dataset"]

SHARD_ROWS = 4096
SHARED = 0.05
"""From this share of common rows on, two datasets are not strangers."""


class DatasetStore(Protocol):
    """Where datasets are registered."""

    def list(self) -> list[Dataset]:
        """Return every dataset, oldest first."""
        ...

    def find(self, name: str) -> Dataset:
        """Return a dataset by name or id. Raises ``NotFound``."""
        ...

    def sketches(self) -> dict[str, Sketch]:
        """Return the sketch of every dataset by id."""
        ...

    def add(self, dataset: Dataset, sketch: Sketch, event: Record) -> None:
        """Register a dataset with its event. Raises ``Conflict`` if the name is taken."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for. ``parent``: name or id of the dataset that it was made from."""

    name: str
    tenant: str
    unit: PrivacyUnit
    purpose: str
    licence: str
    parent: str | None
    principal: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be written: the report that comes before anything is."""

    id: str
    root: str
    parent: str | None
    survey: Survey
    transforms: tuple[ColumnTransform, ...]
    policy: str


def plan_ingest(request: Request, survey: Survey, policy: DatasetPolicy, store: DatasetStore) -> Plan:
    """Decide transforms and lineage (steps 1 and 2 are then done).

    Raises ``Conflict`` where the file shares rows with a dataset that is not named as its
    parent, ``NotFound`` for an unknown parent, ``PolicyDenied``.
    """
    transforms = plan_transforms(survey, policy, request.unit)
    parent = store.find(request.parent) if request.parent else None
    root = _root(survey, parent, store)
    plain = {
        "columns": [[item.column.name, item.column.kind.value] for item in survey.columns],
        "identity": survey.identity,
        "parent": parent.id if parent else None,
        "transforms": [[item.column, item.word.value, dict(item.parameters)] for item in transforms],
        "unit": [request.unit.kind.value, request.unit.column],
        "name": request.name,
        "tenant": request.tenant,
    }
    return Plan(
        id=digest(plain),
        root=root,
        parent=parent.id if parent else None,
        survey=survey,
        transforms=transforms,
        policy=policy.digest,
    )


def _root(survey: Survey, parent: Dataset | None, store: DatasetStore) -> str:
    """Return whose budget is spent: the parent's, an equal dataset's, else this one's own."""
    root = parent.root if parent else None
    sketches = store.sketches()
    for dataset in store.list():
        if dataset.root == root:
            continue
        share = shared_fraction(survey.sketch, sketches[dataset.id])
        if dataset.identity == survey.identity and root is None:
            root = dataset.root
        elif dataset.identity == survey.identity or share >= SHARED:
            raise Conflict(
                f"about {share:.0%} of the rows are also in dataset {dataset.name!r}; if it was made from "
                f"that one, say --derived-from {dataset.name}, so that both spend one budget",
                code="shared_rows",
            )
    return root or survey.identity


def write_dataset(
    request: Request,
    plan: Plan,
    path: Path,
    source: RowFile,
    *,
    folder: Path,
    transformer: Transformer,
    keys: KeyWrapper,
    store: DatasetStore,
    clock: Callable[[], int],
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Dataset, dict[str, int]]:
    """Write what ``plan`` says and register it; return it and the findings changed inside texts.

    ``folder``: of this dataset alone; ``clock``: µs since 1970. Raises ``Conflict`` if the
    source changed since it was surveyed.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    journal = Journal(folder, source=plan.survey.digest)
    steps = _finished(folder, journal)
    for rows, after in _batches(source, steps[-1].after if steps else None):
        before = dict(transformer.changed)
        shard = write_shard(
            folder,
            f"{len(steps):06d}.shard",
            transformer.columns,
            [transformer.row(row.values) for row in rows],
            keys=keys,
            tenant=request.tenant,
            dataset=plan.id,
        )
        changed = {
            name: count - before.get(name, 0)
            for name, count in transformer.changed.items()
            if count != before.get(name, 0)
        }
        steps.append(Step(shard=shard, after=after, changed=changed))
        journal.add(steps[-1])
        progress(after.rows)
    if file_digest(path) != plan.survey.digest:
        raise Conflict(f"{path.name} changed while it was read; run the ingest again", code="source_changed")
    dataset = _dataset(request, plan, transformer, [step.shard for step in steps], clock())
    store.add(dataset, plan.survey.sketch, registered(dataset, request.principal))
    journal.remove()
    total: Counter[str] = Counter()
    for step in steps:
        total.update(step.changed)
    return dataset, dict(total)


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
    for row in source.rows(start):
        batch.append(row)
        if len(batch) == SHARD_ROWS:
            yield batch, row.after
            batch = []
    if batch:
        yield batch, batch[-1].after


def _dataset(
    request: Request, plan: Plan, transformer: Transformer, shards: list[Shard], created: int
) -> Dataset:
    return Dataset(
        id=plan.id,
        name=request.name,
        tenant=request.tenant,
        identity=plan.survey.identity,
        root=plan.root,
        parent=plan.parent,
        unit=request.unit,
        units=plan.survey.units,
        rows=plan.survey.rows,
        columns=transformer.columns,
        transforms=plan.transforms,
        shards=tuple(shards),
        purpose=request.purpose,
        licence=request.licence,
        policy=plan.policy,
        created=created,
    )


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
