"""What an ingest would do, decided before anything is written: transforms, lineage, whose budget is spent."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from guard.datasets.identity import Sketch, shared_fraction
from guard.datasets.survey import Survey
from guard.datasets.transform import columns_after, plan_transforms
from guard.domain.dataset import ColumnTransform, Dataset
from guard.domain.event import Record
from guard.domain.privacy import PrivacyUnit
from guard.errors import Conflict, InvalidRequest
from guard.policy.dataset import DatasetPolicy

__all__ = ["DatasetStore", "Plan", "Request", "plan_ingest"]

SHARED = 0.05
"""From this share of common rows on, two datasets are not strangers."""
NAME = re.compile(r"\w[\w.-]{0,63}")
"""Names that no id and no path can be mistaken for."""
MOST_PURPOSE, MOST_LICENCE = 64, 200


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

    def add(self, dataset: Dataset, sketch: Sketch, event: Record, *, compared: Collection[str]) -> None:
        """Register a dataset with its event.

        Raises ``Conflict`` if its name or id is taken, or if there is a dataset that is not
        among those it was ``compared`` with.
        """
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What would be written: the report that comes before anything is.

    ``dataset``: what will be registered, but for its shards. ``compared``: ids of the
    datasets that it was compared with. ``budget_of``: name of the one whose budget it
    spends, if not its own.
    """

    dataset: Dataset
    survey: Survey
    compared: frozenset[str]
    budget_of: str | None

    @property
    def id(self) -> str:
        """The id that the dataset will have."""
        return self.dataset.id

    @property
    def transforms(self) -> tuple[ColumnTransform, ...]:
        """What is done to each column."""
        return self.dataset.transforms


def plan_ingest(request: Request, survey: Survey, policy: DatasetPolicy, store: DatasetStore) -> Plan:
    """Decide transforms and lineage (steps 1 and 2 are then done).

    Raises ``Conflict`` where the name is taken, or where the file shares rows with a
    dataset that is not named as its parent; ``NotFound`` for an unknown parent,
    ``InvalidRequest`` for names that cannot be, ``PolicyDenied``.
    """
    _check_words(request)
    known = store.list()
    _check_name(request, survey, known)
    transforms = plan_transforms(survey, policy, request.unit)
    parent = store.find(request.parent) if request.parent else None
    root = _root(survey, parent, known, store.sketches())
    draft = Dataset(
        id="",
        name=request.name,
        tenant=request.tenant,
        identity=survey.identity,
        root=root,
        parent=parent.id if parent else None,
        unit=request.unit,
        units=survey.units,
        rows=survey.rows,
        columns=columns_after([item.column for item in survey.columns], transforms),
        transforms=transforms,
        shards=(),
        purpose=request.purpose,
        licence=request.licence,
        policy=policy.digest,
        created=0,
    )
    return Plan(
        dataset=replace(draft, id=draft.bound()),
        survey=survey,
        compared=frozenset(dataset.id for dataset in known),
        budget_of=next((dataset.name for dataset in known if dataset.root == root), None),
    )


def _check_words(request: Request) -> None:
    if NAME.fullmatch(request.name) is None:
        raise InvalidRequest(
            "a dataset's name has at most 64 letters, digits and _ . - and begins with a letter or digit;"
            " choose one with --name",
            code="bad_name",
        )
    if len(request.purpose) > MOST_PURPOSE or len(request.licence) > MOST_LICENCE:
        raise InvalidRequest(
            f"a purpose has at most {MOST_PURPOSE} characters, a licence {MOST_LICENCE}", code="too_long"
        )


def _check_name(request: Request, survey: Survey, known: Sequence[Dataset]) -> None:
    for dataset in known:
        if dataset.name == request.name:
            same = " with the very same rows" if dataset.identity == survey.identity else ""
            raise Conflict(
                f"a dataset is named {dataset.name!r} already{same}; choose another --name", code="name_taken"
            )


def _root(
    survey: Survey, parent: Dataset | None, known: Sequence[Dataset], sketches: Mapping[str, Sketch]
) -> str:
    """Return whose budget is spent: the parent's, an equal dataset's, else this one's own."""
    equal = next((dataset.root for dataset in known if dataset.identity == survey.identity), None)
    root = parent.root if parent else equal
    for dataset in known:
        if dataset.root == root:
            continue
        same = dataset.identity == survey.identity
        share = 1.0 if same else shared_fraction(survey.sketch, sketches[dataset.id])
        if share >= SHARED:
            raise Conflict(
                f"about {share:.0%} of the rows are also in dataset {dataset.name!r}; "
                + _remedy(dataset, parent),
                code="shared_rows",
            )
    return root or survey.identity


def _remedy(dataset: Dataset, parent: Dataset | None) -> str:
    if parent is not None:
        return f"they spend its budget and cannot spend that of {parent.name!r}; leave them out"
    return f"if it was made from that one, say --derived-from {dataset.name}, so that both spend one budget"
