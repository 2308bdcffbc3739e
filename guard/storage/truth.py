"""The truth in files and tables: ``guard.yaml``, the policy folder, the keys.

The mark of a file is the hash of its content, taken again only when size, time or inode
differ or the file is so young that a second change could hide behind the same time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from guard.domain.canonical import Json, digest
from guard.domain.catalogue import Catalogue, Provider
from guard.errors import ConfigurationError
from guard.identity.api_keys import KeyRecord, KeyStore
from guard.pipeline.snapshot import Governance
from guard.policy.check import ACCESS, SCREENING, TESTS, load_pack
from guard.registry.configuration import Configuration, load_configuration
from guard.registry.files import read_file
from guard.registry.providers import BUILTIN, MODELS
from guard.registry.versions import ModelStore, catalogued
from guard.screening.engine import compile_screener

__all__ = ["FileTruth", "read_pack"]

YOUNG_NANOSECONDS = 2_000_000_000
"""Coarser than the clock of any file system that Guard may run on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """The hash of a file's content, when it was taken (ns) and what the file looked like then."""

    seen: tuple[int, int, int]
    taken: int
    content: str


class FileTruth:
    """Implements ``pipeline.snapshot.Truth``.

    ``builtin``: what ``builtin:demo`` and ``builtin:models`` stand for, if they run.
    """

    def __init__(
        self,
        configuration: Configuration,
        keys: KeyStore,
        models: ModelStore,
        *,
        builtin: Mapping[str, str],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._started_with = configuration
        self._policies = configuration.policies_path
        self._keys = keys
        self._models = models
        self._builtin = builtin
        self._clock = clock
        self._marks: dict[Path, _Mark] = {}

    def governance_version(self) -> str:
        """Return a mark that changes with the content of any file, and only then."""
        paths = [self._started_with.path, self._policies / SCREENING, self._policies / ACCESS]
        marks = [f"{path} {self._mark(path)}" for path in paths]
        return "\n".join([*marks, f"models {self._models.version()}"])

    def _mark(self, path: Path) -> str:
        try:
            stat = path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            known = self._marks.get(path)
            if known and known.seen == seen and known.taken - stat.st_mtime_ns > YOUNG_NANOSECONDS:
                return known.content
            taken = self._clock()
            content = hashlib.sha256(read_file(path)).hexdigest()
        except OSError as error:
            return type(error).__name__
        self._marks[path] = _Mark(seen=seen, taken=taken, content=content)
        return content

    def governance(self) -> Governance:
        """Read and compile everything. Raises ``ConfigurationError``."""
        configuration = load_configuration(self._started_with.path)
        changed = configuration.needs_restart(self._started_with)
        if changed:
            raise ConfigurationError(
                f"{configuration.path}: {', '.join(changed)} changed, which takes a restart of guard serve"
            )
        # Also if the pack there is broken: its repair must be noticed.
        self._policies = configuration.policies_path
        policy, access = load_pack(read_pack(self._policies))
        catalogue = self._with_models(self._located(configuration.catalogue))
        return Governance(
            policy=policy,
            access=access,
            access_digest=access.digest,
            catalogue=catalogue,
            catalogue_digest=digest({"configuration": configuration.digest, "models": _lineages(catalogue)}),
            screener=compile_screener(policy.thresholds),
        )

    def _located(self, catalogue: Catalogue) -> Catalogue:
        """Put built-in addresses in. Digests do not see them: they differ at each start.

        A built-in provider that does not run is left out, unless a model needs it.
        """
        needed = {target.provider for model in catalogue.models for target in model.targets}
        providers = {
            name: self._address(provider)
            for name, provider in catalogue.providers.items()
            if provider.base_url not in BUILTIN or provider.base_url in self._builtin or name in needed
        }
        return replace(catalogue, providers=providers)

    def _address(self, provider: Provider) -> Provider:
        if provider.base_url not in BUILTIN:
            return provider
        address = self._builtin.get(provider.base_url)
        if address is None:
            raise ConfigurationError(
                f"provider {provider.name} is {provider.base_url}, which was not started with this Guard; "
                "restart guard serve"
            )
        return replace(provider, base_url=address)

    def _with_models(self, catalogue: Catalogue) -> Catalogue:
        """Add the models that were trained here and are in production."""
        address = self._builtin.get(MODELS)
        for provider in catalogue.providers.values():
            if provider.base_url == address:
                own = catalogued(self._models.list(), provider=provider.name, region=provider.region)
                return replace(catalogue, models=(*catalogue.models, *own))
        return catalogue

    def keys_version(self) -> int:
        """Return a counter that changes with every change of a key."""
        return self._keys.version()

    def keys(self) -> Mapping[str, KeyRecord]:
        """Return every key by its hash."""
        return {record.hash: record for record in self._keys.list()}


def _lineages(catalogue: Catalogue) -> list[Json]:
    return [[model.name, *model.lineage] for model in catalogue.models if model.lineage]


def read_pack(folder: Path) -> dict[str, bytes]:
    """Return the files of a pack by name; absent ones are left out.

    Raises ``ConfigurationError`` if the folder or a file in it cannot be read.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"there is no policy folder {folder}; run: guard init")
    paths = [folder / name for name in (SCREENING, ACCESS, TESTS)]
    try:
        return {path.name: read_file(path) for path in paths if path.exists()}
    except OSError as error:
        raise ConfigurationError(f"cannot read the policies in {folder} ({error.strerror})") from None
