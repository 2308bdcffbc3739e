"""What the model server may serve: the versions in production and their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from guard.domain.model import ModelVersion, Stage
from guard.errors import NotFound
from guard.storage.models import SqlModelStore

__all__ = ["StoredModels"]


class StoredModels:
    """Implements ``inference.models.ModelSource``. ``path``: where the file of a digest lies."""

    def __init__(self, store: SqlModelStore, path: Callable[[str], Path]) -> None:
        self._store = store
        self._path = path
        self._known: tuple[int, dict[str, ModelVersion]] | None = None

    def in_production(self) -> dict[str, ModelVersion]:
        """Return the served version of each model by name; read again only after a change."""
        version = self._store.version()
        if self._known is None or self._known[0] != version:
            served = [found for found in self._store.list() if found.stage is Stage.PRODUCTION]
            self._known = version, {found.name: found for found in served}
        return self._known[1]

    def content(self, version: ModelVersion) -> bytes:
        """Return the model's file. Raises ``NotFound``."""
        try:
            return self._path(version.digest).read_bytes()
        except OSError:
            raise NotFound(f"the file of model {version.name} version {version.version} is gone") from None
