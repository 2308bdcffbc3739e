"""What the model server may serve: the versions in production and their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from guard.domain.model import ModelVersion, Stage
from guard.errors import NotFound
from guard.storage.models import SqlModelStore

__all__ = ["StoredModels"]


class StoredModels:
    """Implements ``inference.models.ModelSource``.

    ``models`` and ``certificates``: where the file of a digest lies.
    """

    def __init__(
        self,
        store: SqlModelStore,
        *,
        models: Callable[[str], Path],
        certificates: Callable[[str], Path],
    ) -> None:
        self._store = store
        self._models = models
        self._certificates = certificates
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
        return _read(self._models(version.digest), "file", version)

    def certificate(self, version: ModelVersion) -> bytes:
        """Return the certificate's file. Raises ``NotFound``."""
        return _read(self._certificates(version.certificate), "certificate", version)


def _read(path: Path, what: str, version: ModelVersion) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        raise NotFound(f"the {what} of model {version.name} version {version.version} is gone") from None
