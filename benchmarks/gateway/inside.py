"""The real gate in this process, between a caller and a provider that says what it is told to.

Policies, screening, protection, dialect, streams and restoring are those of a worker; only
the sockets and the log are not there. What is measured with it is what a caller would see.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.environment import ROOT
from guard.domain.catalogue import Catalogue, Model, Provider
from guard.domain.event import CheckpointSummary, Receipt, Record
from guard.domain.exchange import Target
from guard.domain.identifier import uuid7
from guard.domain.principal import Application, Limits, Tools
from guard.errors import GuardError
from guard.identity.api_keys import KeyRecord, generate, hash_key
from guard.keys.keyring import Keyring
from guard.pipeline.answer import StreamReply
from guard.pipeline.exchange import Gate
from guard.pipeline.memo import FindingMemo
from guard.pipeline.observer import Summary
from guard.pipeline.result import Incoming, Result
from guard.pipeline.snapshot import Governance, Snapshot
from guard.pipeline.strangers import Strangers
from guard.policy.check import load_pack
from guard.screening.engine import compile_screener
from guard.storage.truth import read_pack
from guard.upstream.json_text import BodyLimits
from guard.upstream.provider import UpstreamAnswer

__all__ = ["FETCHER", "WRITER", "Inside", "Told", "inside"]

WRITER = "Write"
FETCHER = "WebFetch"
Told = Callable[[bytes], Sequence[bytes]]
"""From the protected body that arrived to the pieces of the provider's answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Implements ``upstream.provider.UpstreamAnswer``."""

    pieces: Sequence[bytes]

    async def read(self) -> bytes:
        return b"".join(self.pieces)

    async def chunks(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece

    def close(self) -> None:
        return


class _Provider:
    """Implements ``upstream.provider.Upstream``."""

    def __init__(self) -> None:
        self.told: Told = lambda _: ()

    async def send(
        self, provider: Provider, *, path: str, body: bytes, caller_authorization: str | None
    ) -> UpstreamAnswer:
        return _Answer(pieces=self.told(body))


class _Recorder:
    """Implements ``domain.event.Recorder``; every record is durable at once."""

    async def append(self, record: Record) -> Receipt:
        return Receipt(tenant=record.tenant, index=0, time=0, id="")

    def checkpoint(self, tenant: str) -> CheckpointSummary | None:
        return None


class _Observer:
    """Implements ``pipeline.observer.Observer``: a fault of ours is the benchmark's own."""

    def exchange_ended(self, summary: Summary) -> None:
        return

    def failed(self, task: str, error: BaseException) -> None:
        raise error


class Inside:
    """Sends requests through the gate."""

    def __init__(self, gate: Gate, provider: _Provider, key: str) -> None:
        self._gate = gate
        self._provider = provider
        self._key = key
        self._numbers = itertools.count()

    async def exchange(self, body: bytes, told: Told) -> Result:
        """Run one exchange; the provider answers as told."""
        self._provider.told = told
        exchange = uuid7(microseconds=next(self._numbers), entropy=bytes(10))
        return await self._gate.exchange(
            Incoming(
                exchange=exchange,
                route="openai.chat",
                body=body,
                headers={"content-type": "application/json"},
                credential=self._key,
                caller_authorization=None,
                address="127.0.0.1",
            )
        )

    async def answer(self, body: bytes, told: Told) -> bytes:
        """Return what the caller gets, whole; a stream that breaks ends where it broke.

        Raises the ``GuardError`` of an exchange that was refused.
        """
        result = await self.exchange(body, told)
        if result.error is not None:
            raise result.error
        if not isinstance(result.reply, StreamReply):
            return result.reply.body if result.reply else b""
        got: list[bytes] = []
        try:
            async for chunk in result.reply.chunks:
                got.append(chunk)
        except GuardError:
            got.append(b"")
        return b"".join(got)


def _snapshot(pack: dict[str, bytes], key: KeyRecord) -> Snapshot:
    policy, access = load_pack(pack)
    target = Target(provider="told", model="same", region="local")
    catalogue = Catalogue(
        providers={"told": Provider(name="told", dialect="openai", base_url="http://127.0.0.1:9/v1")},
        models=(Model(name="bench-*", targets=(target,)),),
        applications={"bench": Application(name="bench", tools=Tools(secret=(WRITER,), egress=(FETCHER,)))},
    )
    governance = Governance(
        policy=policy,
        access=access,
        access_digest=access.digest,
        catalogue=catalogue,
        catalogue_digest="sha256:bench",
        screener=compile_screener(policy.thresholds),
    )
    return Snapshot(digest="sha256:bench", governance=governance, keys={key.hash: key})


@contextmanager
def inside(*, screening: bytes | None = None) -> Iterator[Inside]:
    """Build a gate with the default pack, or with another screening policy in it."""
    pack = read_pack(ROOT / "policies" / "default")
    if screening is not None:
        pack["screening.yaml"] = screening
    with TemporaryDirectory(prefix="guard-bench-") as folder:
        keyring = Keyring.create(Path(folder) / "keyring")
        credential = generate(bytes(range(32)))
        record = KeyRecord(
            id="bench",
            hash=hash_key(credential, keyring),
            tenant="default",
            application="bench",
            models=("*",),
            purposes=("general",),
            created=0,
            expires=None,
            revoked=None,
            limits=Limits(),
        )
        snapshot = _snapshot(pack, record)
        provider = _Provider()
        gate = Gate(
            snapshot=lambda: snapshot,
            keyring=keyring,
            recorder=_Recorder(),
            upstream=provider,
            strangers=Strangers(),
            observer=_Observer(),
            memo=FindingMemo(key=bytes(32)),
            limits=BodyLimits(),
        )
        yield Inside(gate, provider, credential)
