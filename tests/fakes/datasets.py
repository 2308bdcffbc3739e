"""Registered datasets in memory: what ``SqlDatasetStore`` does, in the plainest way."""

from __future__ import annotations

from collections.abc import Collection

from guard.datasets.identity import Sketch
from guard.domain.dataset import Dataset
from guard.domain.event import Record
from guard.errors import Conflict, NotFound

__all__ = ["MemoryDatasetStore"]


class MemoryDatasetStore:
    """Implements ``datasets.plan.DatasetStore``. ``events``: what waits to be relayed, in order."""

    def __init__(self) -> None:
        self.events: list[Record] = []
        self._kept: dict[str, tuple[Dataset, Sketch]] = {}

    def list(self) -> list[Dataset]:
        """Return every dataset, oldest first."""
        return sorted((dataset for dataset, _ in self._kept.values()), key=lambda item: item.created)

    def find(self, name: str) -> Dataset:
        """Return a dataset by name or id. Raises ``NotFound``."""
        for dataset in self.list():
            if name in (dataset.name, dataset.id):
                return dataset
        raise NotFound(f"no dataset {name!r}")

    def sketches(self) -> dict[str, Sketch]:
        """Return the sketch of every dataset by id."""
        return {id: sketch for id, (_, sketch) in self._kept.items()}

    def add(self, dataset: Dataset, sketch: Sketch, event: Record, *, compared: Collection[str]) -> None:
        """Register a dataset. Raises ``Conflict``."""
        for other in self.list():
            if other.name == dataset.name or other.id == dataset.id:
                raise Conflict("taken")
            if other.id not in compared:
                raise Conflict("meanwhile", code="registered_meanwhile")
        self._kept[dataset.id] = dataset, sketch
        self.events.append(event)
