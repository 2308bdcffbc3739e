"""Trained models: registered with their proof, staged, served from stage ``production`` only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guard.domain.catalogue import Model
from guard.domain.event import Record
from guard.domain.exchange import Target
from guard.domain.model import ModelVersion, Stage

__all__ = ["ModelStore", "catalogued", "registered", "staged"]


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
