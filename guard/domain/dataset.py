"""The words of datasets: columns, what is done to them, and what is registered in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from guard.domain.canonical import digest
from guard.domain.privacy import PrivacyUnit

__all__ = ["Column", "ColumnKind", "ColumnTransform", "Dataset", "Shard", "TransformWord"]


class ColumnKind(StrEnum):
    """What the values of a column are."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"


class TransformWord(StrEnum):
    """What is done to a column before anything is written."""

    KEEP = "keep"
    DROP = "drop"
    MASK = "mask"
    GENERALISE = "generalise"
    SURROGATE = "surrogate"
    PSEUDONYMISE = "pseudonymise"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTransform:
    """One column's transform and the rule that decided it.

    ``parameters``: ``mask``: ``keep_last``; ``generalise``: ``width`` (numbers fall into
    ranges of that width) or ``keep_first`` (characters of a text that stay).
    """

    column: str
    word: TransformWord
    rule: str
    parameters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of the protected copy."""

    name: str
    kind: ColumnKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One encrypted file of a dataset. ``digest``: SHA-256 of the file as it lies on disk, hex."""

    name: str
    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A registered, protected copy.

    ``id``: what ``bound`` says. ``identity``: digest of the source's rows in any order, so
    that a copy is known as one. ``root``: identity of the head of the lineage, whose budget
    it spends. ``parent``: id of the dataset that it was made from.
    ``units``: how many privacy units it holds, a figure that is declared public.
    """

    id: str
    name: str
    tenant: str
    identity: str
    root: str
    parent: str | None
    unit: PrivacyUnit
    units: int
    rows: int
    columns: tuple[Column, ...]
    transforms: tuple[ColumnTransform, ...]
    shards: tuple[Shard, ...]
    purpose: str
    licence: str
    policy: str
    """Digest of the dataset policy that decided the transforms."""
    created: int
    """µs since 1970."""

    def bound(self) -> str:
        """Return the id that fits everything but the shards and the time.

        The shards are encrypted under the id, so none of it can be changed afterwards: not
        whose budget is spent, not how many units there are.
        """
        return digest(
            {
                "columns": [[column.name, column.kind.value] for column in self.columns],
                "identity": self.identity,
                "licence": self.licence,
                "name": self.name,
                "parent": self.parent,
                "policy": self.policy,
                "purpose": self.purpose,
                "root": self.root,
                "rows": self.rows,
                "tenant": self.tenant,
                "transforms": [
                    [item.column, item.word.value, item.rule, dict(item.parameters)]
                    for item in self.transforms
                ],
                "unit": [self.unit.kind.value, self.unit.column],
                "units": self.units,
            }
        )
