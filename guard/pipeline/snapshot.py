"""One immutable view of policies, catalogue and keys, taken at the start of an exchange.

An exchange keeps its snapshot to the end, so a reload never mixes two policies in one
decision. ``SnapshotSource`` reads the truth again when it has changed; a broken file
keeps the last good snapshot and is reported by ``problem``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from guard.domain.canonical import digest
from guard.domain.catalogue import Catalogue
from guard.domain.event import Record, Recorder
from guard.domain.principal import Application
from guard.errors import ConfigurationError
from guard.identity.api_keys import KeyRecord
from guard.policy.access import Access
from guard.policy.engine import CompiledPolicy
from guard.screening.engine import Screener

__all__ = ["Governance", "Snapshot", "SnapshotSource", "Truth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Governance:
    """What the policy files and ``guard.yaml`` say, compiled; changes only when they do."""

    policy: CompiledPolicy
    access: Access
    access_digest: str
    catalogue: Catalogue
    catalogue_digest: str
    screener: Screener

    @property
    def digests(self) -> dict[str, str]:
        """The digests that the snapshot's digest is made of."""
        return {
            "access": self.access_digest,
            "catalogue": self.catalogue_digest,
            "screening": self.policy.digest,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What an exchange is decided by."""

    digest: str
    governance: Governance
    keys: Mapping[str, KeyRecord]

    def application(self, name: str) -> Application:
        """Return the application's settings, or the defaults."""
        return self.governance.catalogue.applications.get(name) or Application(name=name)


class Truth(Protocol):
    """Where policies, catalogue and keys are kept."""

    def governance_version(self) -> str:
        """Return a cheap mark that changes when a policy or catalogue file does."""
        ...

    def governance(self) -> Governance:
        """Read and compile everything. Raises ``ConfigurationError``."""
        ...

    def keys_version(self) -> int:
        """Return a counter that changes with every change of a key."""
        ...

    def keys(self) -> Mapping[str, KeyRecord]:
        """Return every key by its hash."""
        ...


class SnapshotSource:
    """Holds the current snapshot and refreshes it from the truth."""

    def __init__(self, truth: Truth, *, source: str) -> None:
        self._truth = truth
        self._source = source
        self._governance_version = truth.governance_version()
        self._keys_version = truth.keys_version()
        self._governance = truth.governance()
        self._keys = truth.keys()
        self.current = self._assemble()
        self.problem: str | None = None

    def _assemble(self) -> Snapshot:
        return Snapshot(
            digest=digest(self._governance.digests),
            governance=self._governance,
            keys=self._keys,
        )

    def loaded(self) -> Record:
        """Return the record that says which policies are in force."""
        return Record(
            tenant="system",
            type="policy.loaded",
            fields={
                "digests": self._governance.digests,
                "policy": self.current.digest,
                "source": self._source,
            },
        )

    def refresh(self) -> Record | None:
        """Read again what has changed; return what must be recorded, if anything.

        Never raises for a broken file: the last good snapshot stays and ``problem`` says
        what is wrong with the new one.
        """
        keys_version = self._truth.keys_version()
        if keys_version != self._keys_version:
            self._keys = self._truth.keys()
            self._keys_version = keys_version
            self.current = self._assemble()
        version = self._truth.governance_version()
        if version == self._governance_version:
            return None
        self._governance_version = version
        try:
            self._governance = self._truth.governance()
        except ConfigurationError as error:
            self.problem = error.message
            return Record(
                tenant="system",
                type="policy.rejected",
                fields={
                    "policy": self.current.digest,
                    "reason": error.message[:2000],
                    "source": self._source,
                },
            )
        self.problem = None
        before = self.current.digest
        self.current = self._assemble()
        return self.loaded() if self.current.digest != before else None

    async def watch(
        self,
        recorder: Recorder,
        *,
        seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Refresh every ``seconds`` until cancelled; ``failed`` hears of storage faults.

        A change that cannot be recorded at once is recorded when the log is back.
        """
        unsaid: deque[Record] = deque()
        while True:
            await sleep(seconds)
            try:
                record = await asyncio.to_thread(self.refresh)
                if record is not None:
                    unsaid.append(record)
                while unsaid:
                    await recorder.append(unsaid[0])
                    unsaid.popleft()
            except Exception as error:  # noqa: BLE001 (a failing refresh keeps the last good snapshot and is reported)
                failed(error)
