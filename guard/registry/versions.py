"""Trained models: registered with their proof, staged, served from stage ``production`` only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guard.domain.catalogue import Catalogue, Model
from guard.domain.event import Record
from guard.domain.exchange import Target
from guard.domain.model import ModelVersion, Stage
from guard.errors import Conflict
from guard.registry.models import resolve

__all__ = ["ModelStore", "catalogued", "check_free", "registered", "staged"]


class ModelStore(Protocol):
    """Where model versions are kept. Every change is one transaction with its event."""

    def version(self) -> int:
        """Return a counter that grows with every change."""
        ...

    def list(self) -> list[ModelVersion]:
        """Return every version, newest first."""
        ...

    def find(self, name: str, version: int | None = None) -> ModelVersion:
        """Return a version, or the newest. Raises ``NotFound``."""
        ...

    def add(self, version: ModelVersion, event: Record) -> None:
        """Register a version. Raises ``Conflict`` if it, or another of its job, exists."""
        ...

    def stage(self, version: ModelVersion, stage: Stage, event: Record) -> None:
        """Move a version; the one that was in production before is retired with it."""
        ...


def catalogued(versions: Sequence[ModelVersion], *, provider: str, region: str) -> tuple[Model, ...]:
    """Return what callers may ask for: every version in production, with what it is made of."""
    return tuple(
        Model(
            name=version.name,
            targets=(Target(provider=provider, model=version.name, region=region),),
            lineage=version.lineage,
        )
        for version in versions
        if version.stage is Stage.PRODUCTION
    )


def check_free(name: str, catalogue: Catalogue) -> None:
    """Raise ``Conflict`` if the configuration has a model that answers to this name.

    One of the two would otherwise never be asked again.
    """
    taken = resolve(catalogue, name)
    if taken is not None:
        raise Conflict(
            f"guard.yaml has a model {taken.name!r}, which answers to {name!r}; "
            "rename it there, or give the recipe another name and train again",
            code="name_taken",
        )


def registered(version: ModelVersion, principal: str) -> Record:
    """Return the event of a registration."""
    return Record(
        tenant=version.tenant,
        type="model.registered",
        fields={
            "certificate": version.certificate,
            "dataset": version.dataset,
            "job": version.job,
            "model": version.digest,
            "name": version.name,
            "stage": version.stage.value,
            "version": version.version,
        },
        sealed={"principal": principal},
    )


def staged(version: ModelVersion, stage: Stage, principal: str) -> Record:
    """Return the event of a move."""
    return Record(
        tenant=version.tenant,
        type="model.staged",
        fields={
            "model": version.digest,
            "name": version.name,
            "stage": stage.value,
            "version": version.version,
        },
        sealed={"principal": principal},
    )
