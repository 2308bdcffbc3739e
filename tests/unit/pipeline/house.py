"""A gate with real policies, screening and protection between a scripted log and scripted providers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from guard.domain.catalogue import Catalogue, Model, Provider
from guard.domain.exchange import Target
from guard.domain.principal import Application, Limits, Tools
from guard.errors import GuardError
from guard.identity.api_keys import KeyRecord, generate, hash_key
from guard.keys.keyring import Keyring
from guard.pipeline.answer import StreamReply, WholeReply
from guard.pipeline.exchange import Gate
from guard.pipeline.memo import FindingMemo
from guard.pipeline.result import Incoming, Result
from guard.pipeline.snapshot import Governance, Snapshot
from guard.pipeline.strangers import Strangers
from guard.policy.access import Access
from guard.policy.bundle import load_bundle
from guard.policy.engine import compile_bundle
from guard.screening.engine import Screener, compile_screener
from guard.upstream.json_text import BodyLimits
from tests.fakes.observer import KeptObservations
from tests.fakes.recorder_scripted import ScriptedRecorder
from tests.fakes.upstream import Answer, ScriptedUpstream

__all__ = [
    "CREDENTIAL",
    "DONE",
    "EMAIL",
    "House",
    "chat",
    "done",
    "frame",
    "packed",
    "said",
    "streamed",
    "whole",
]

PACKS = Path(__file__).parents[3] / "policies"
EMAIL = "maria.gomez@kestrel-labs.com"
CREDENTIAL = generate(bytes(range(32)))
PERMIT = (PACKS / "default" / "access.cedar").read_text()


def packed(name: str) -> bytes:
    """Return the screening policy of a shipped pack."""
    return (PACKS / name / "screening.yaml").read_bytes()


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="guard-house-")


@cache
def keyring() -> Keyring:
    """Return one keyring for all tests of a process; it is never changed."""
    return Keyring.create(Path(_folder().name) / "keyring")


def chat(content: object = "hello", *, model: str = "m", **members: object) -> bytes:
    """Return a request's body."""
    messages = [{"role": "user", "content": content}]
    body = {"model": model, "messages": messages, **members}
    return json.dumps(body, ensure_ascii=False).encode()


def said(body: bytes) -> str:
    """Return what the last message of a request says."""
    content: str = json.loads(body)["messages"][-1]["content"]
    return content


def whole(*contents: str, **members: object) -> bytes:
    """Return a plain answer with a choice a content."""
    choices = [
        {"index": number, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        for number, content in enumerate(contents)
    ]
    return json.dumps({"id": "a1", "choices": choices, **members}, ensure_ascii=False).encode()


def frame(delta: Mapping[str, object], *, index: int = 0, reason: str | None = None) -> bytes:
    """Return one event of a stream."""
    body = {"id": "a1", "choices": [{"index": index, "delta": delta, "finish_reason": reason}]}
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def streamed(*contents: str, usage: bool = False) -> list[bytes]:
    """Return a stream of one choice, an event a content."""
    counts = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    last = [b"data: " + json.dumps(counts).encode() + b"\n\n"] if usage else []
    return [*(frame({"content": content}) for content in contents), frame({}, reason="stop"), *last, DONE]


def echo(body: bytes) -> Answer:
    """Say what the last message said, as the request asks for it."""
    return Answer(streamed(said(body)) if json.loads(body).get("stream") else [whole(said(body))])


@dataclass(slots=True)
class House:
    """Everything round one gate. Provider ``a`` echoes unless told otherwise."""

    policy: bytes = field(default_factory=lambda: packed("default"))
    access: str = PERMIT
    targets: Sequence[tuple[str, str]] = (("a", "us"),)
    tools: Tools = field(default_factory=Tools)
    subject_field: str | None = None
    limits: Limits = field(default_factory=Limits)
    purposes: tuple[str, ...] = ("support", "research")
    reporting: bool = False
    screener: Screener | None = None
    body_limits: BodyLimits = field(default_factory=BodyLimits)
    journal: list[str] = field(default_factory=list)
    now: float = 1_800_000_000.0
    recorder: ScriptedRecorder = field(init=False)
    upstream: ScriptedUpstream = field(init=False)
    observer: KeptObservations = field(init=False)
    strangers: Strangers = field(init=False)
    gate: Gate = field(init=False)

    def __post_init__(self) -> None:
        self.recorder = ScriptedRecorder(self.journal)
        self.upstream = ScriptedUpstream(
            self.journal, dict.fromkeys((name for name, _ in self.targets), echo)
        )
        self.observer = KeptObservations()
        self.strangers = Strangers()
        snapshot = self.snapshot()
        self.gate = Gate(
            snapshot=lambda: snapshot,
            keyring=keyring(),
            recorder=self.recorder,
            upstream=self.upstream,
            strangers=self.strangers,
            observer=self.observer,
            memo=FindingMemo(key=bytes(32)),
            limits=self.body_limits,
            reporting=lambda: self.reporting,
            clock=lambda: self.now,
        )

    def snapshot(self) -> Snapshot:
        """Return what exchanges are decided by."""
        policy, access = compile_bundle(load_bundle(self.policy)), Access(self.access)
        targets = tuple(Target(provider=name, model="real", region=region) for name, region in self.targets)
        same = tuple(Target(provider=name, model="same", region=region) for name, region in self.targets)
        catalogue = Catalogue(
            providers={
                name: Provider(
                    name=name, dialect="openai", base_url=f"http://{name}.invalid/v1", region=region
                )
                for name, region in self.targets
            },
            models=(
                Model(name="m", targets=targets, lineage=("dataset-1",)),
                Model(name="free-*", targets=same),
            ),
            applications={"crm": Application(name="crm", tools=self.tools, subject_field=self.subject_field)},
        )
        governance = Governance(
            policy=policy,
            access=access,
            access_digest=access.digest,
            catalogue=catalogue,
            catalogue_digest="sha256:c",
            screener=self.screener or compile_screener(policy.thresholds),
        )
        return Snapshot(digest="sha256:s", governance=governance, keys={self.key.hash: self.key})

    @property
    def key(self) -> KeyRecord:
        """The one key."""
        return KeyRecord(
            id="key-1",
            hash=hash_key(CREDENTIAL, keyring()),
            tenant="acme",
            application="crm",
            models=("*",),
            purposes=self.purposes,
            created=0,
            expires=None,
            revoked=None,
            limits=self.limits,
        )

    async def ask(
        self,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        credential: str | None = CREDENTIAL,
        problem: GuardError | None = None,
        exchange: str = "01900000-0000-7000-8000-000000000001",
    ) -> Result:
        """Run one exchange to its reply."""
        return await self.gate.exchange(
            Incoming(
                exchange=exchange,
                route="openai.chat",
                body=body,
                headers=headers or {},
                credential=credential,
                caller_authorization=None,
                address="192.0.2.1",
                problem=problem,
            )
        )

    def strangers_counted(self) -> dict[str, int]:
        """Return how often strangers were turned away, by reason."""
        recorder = ScriptedRecorder([])
        asyncio.run(self.strangers.flush(recorder))
        return {str(r.fields["reason"]): int(str(r.fields["count"])) for r in recorder.records}

    def ends(self) -> list[str]:
        """Return the ends that are durable."""
        return [kind for kind in self.recorder.types() if kind in ("refused", "outcome", "gap")]


async def done(result: Result) -> bytes:
    """Return the whole of what the caller gets. Raises the error of a failed exchange or stream."""
    if result.error is not None:
        raise result.error
    if isinstance(result.reply, WholeReply):
        return result.reply.body
    assert isinstance(result.reply, StreamReply)
    try:
        return b"".join([chunk async for chunk in result.reply.chunks])
    finally:
        await result.reply.close()
