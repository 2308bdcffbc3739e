"""One exchange through the gate, as the numbered steps of DESIGN §2.

::

    1 who      credential → principal, one snapshot kept to the end
    2 read     the dialect finds every text
    3 admit    may this principal use this model for this purpose here?
    4 screen   texts → findings, once
    5 decide   for this target: findings → obligations          ┐
    6 protect  plan and apply replacements                       │ again for the
    7 intent   durable record, limits held in the same commit    │ next target
    8 forward  send what was screened                            ┘
    9 screen the answer   10 restore   11 outcome durable   12 answer

Each step takes and returns values and never calls another step; ``Gate._run`` alone
knows their order. Every exchange has exactly one end: ``exchange.refused`` if nothing
left, ``exchange.outcome`` if something did, ``exchange.gap`` if this process died.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from guard.domain.decision import Decision, Direction, Operator
from guard.domain.event import CheckpointSummary, Denied, HoldUnit, Receipt, Recorder
from guard.domain.exchange import PartKind, Target
from guard.domain.finding import Finding
from guard.domain.principal import Application, Principal
from guard.errors import (
    AuthenticationError,
    GuardError,
    InvalidRequest,
    LimitExceeded,
    PolicyDenied,
    UpstreamRejected,
    UpstreamUnavailable,
)
from guard.identity.api_keys import authenticate
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose
from guard.limits.holds import holds_of
from guard.pipeline.answer import AnswerContext, Reply, open_answer
from guard.pipeline.declared import Declared, declared
from guard.pipeline.memo import FindingMemo, screen_parts
from guard.pipeline.observer import Observer, Summary
from guard.pipeline.snapshot import Snapshot
from guard.pipeline.strangers import Strangers
from guard.pipeline.trail import AnswerNote, Trail
from guard.policy.engine import Facts
from guard.protection.apply import apply
from guard.protection.plan import Plan, plan
from guard.protection.restore import RestoreContext
from guard.protection.sinks import hosts_in
from guard.protection.surrogate import Surrogates
from guard.registry.models import resolve
from guard.upstream.dialect import Reading
from guard.upstream.dialects import DIALECTS
from guard.upstream.json_text import BodyLimits
from guard.upstream.provider import Upstream, UpstreamAnswer

__all__ = ["Gate", "Incoming", "Result", "Stamp"]


SERVER_FAULT = 500
"""The least status that is about the provider and not about the request."""

INTERNAL = "Guard failed and stopped this exchange; the log of the service says where"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A request as the gateway hands it over; ``headers`` have lower-case names."""

    exchange: str
    route: str
    body: bytes
    headers: Mapping[str, str]
    credential: str | None
    caller_authorization: str | None
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What the answer's headers say, all of it known before the first byte."""

    exchange: str
    policy: str = ""
    entities: Mapping[str, int] | None = None
    record: int | None = None
    checkpoint: CheckpointSummary | None = None
    guard_seconds: float = 0.0
    reporting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A reply or the error that took its place, never both."""

    stamp: Stamp
    reply: Reply | None = None
    error: GuardError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Who:
    principal: Principal
    application: Application
    snapshot: Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    reading: Reading
    declared: Declared


@dataclass(frozen=True, slots=True, kw_only=True)
class _Admitted:
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Protected:
    decision: Decision
    plan: Plan
    body: bytes


class Gate:
    """Runs exchanges. One per worker; holds ports, no state of any exchange.

    ``report_only``: decide and record, but forward unchanged (``enforcement: report``).
    """

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        keyring: Keyring,
        recorder: Recorder,
        upstream: Upstream,
        strangers: Strangers,
        observer: Observer,
        memo: FindingMemo,
        limits: BodyLimits,
        report_only: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._snapshot = snapshot
        self._keyring = keyring
        self._recorder = recorder
        self._upstream = upstream
        self._strangers = strangers
        self._observer = observer
        self._memo = memo
        self._limits = limits
        self._report_only = report_only
        self._clock = clock
        self._full_until: dict[str, float] = {}

    def authenticate(self, credential: str | None) -> tuple[Principal, Snapshot]:
        """Step 1 alone, for routes that only list. Raises ``AuthenticationError``."""
        snapshot = self._snapshot()
        principal = authenticate(
            credential, snapshot.keys, keyring=self._keyring, now=int(self._clock() * 1e6)
        )
        return principal, snapshot

    async def exchange(self, incoming: Incoming) -> Result:
        """Run one exchange to its reply. Never raises a ``GuardError``: it is in the result.

        A refusal is durable before this returns. If even that fails, the error is
        ``AuditUnavailable``.
        """
        started = time.perf_counter()
        trail = Trail(exchange=incoming.exchange, route=incoming.route, size=len(incoming.body))
        try:
            return await self._run(incoming, trail, started)
        except AuthenticationError as error:
            self._strangers.note(error.code, incoming.address)
            return self._failed(trail, error, None, started)
        except GuardError as error:
            return await self._end_with(trail, error, started)
        except Exception as error:  # noqa: BLE001 (a fault of ours must still end the exchange and say so)
            self._observer.failed("exchange", error)
            return await self._end_with(trail, GuardError(INTERNAL), started)
        except asyncio.CancelledError:
            # The caller left while the upstream was working: the record says so.
            if trail.target is not None and not trail.ended:
                await asyncio.shield(self._recorder.append(trail.outcome(_nothing("aborted"))))
            raise

    async def _run(self, incoming: Incoming, trail: Trail, started: float) -> Result:
        who = self._who(incoming)  # 1
        trail.principal, trail.policy = who.principal, who.snapshot.digest
        read = self._read(who, incoming)  # 2
        trail.purpose, trail.subject = read.declared.purpose, read.declared.subject
        admitted = self._admit(who, read, trail)  # 3
        findings = await self._screen(who, read)  # 4
        trail.found(findings)
        self._refuse_marked_ids(read, findings)
        trail.model = read.reading.model
        error: GuardError = PolicyDenied("no target is left for this model", code="model_not_allowed")
        upstream_seconds = 0.0
        for target in admitted.targets:
            try:
                decision = self._decide(who, read, findings, target)  # 5
                protected = self._protect(who, read, decision, target)  # 6
                trail.prefix_changed = protected.plan.prefix_changed
            except PolicyDenied as denied:
                trail.rejected.append(f"{target.provider}/{target.model}")
                error = denied
                continue
            trail.attempt += 1
            receipt = await self._intend(who, trail, protected, target)  # 7
            stamp = self._stamp(trail, receipt, started, upstream_seconds)
            sending = time.perf_counter()
            try:
                answer = await self._forward(who, incoming, protected, target)  # 8
            except (UpstreamUnavailable, UpstreamRejected) as failure:
                upstream_seconds += time.perf_counter() - sending
                if isinstance(failure, UpstreamRejected) and failure.status < SERVER_FAULT:
                    raise
                trail.rejected.append(f"{target.provider}/{target.model}")
                error = failure
                continue
            upstream_seconds += time.perf_counter() - sending
            replied = replace(stamp, guard_seconds=_since(started) - upstream_seconds)
            context = self._answering(who, read, protected, trail, target)
            reply = await open_answer(  # 9 to 12
                context,
                answer,
                record=self._recorder.append,
                ended=partial(self._ended, trail, replied, started),
            )
            return Result(stamp=replied, reply=reply)
        raise error

    # 1 ------------------------------------------------------------------------------
    def _who(self, incoming: Incoming) -> _Who:
        principal, snapshot = self.authenticate(incoming.credential)
        return _Who(
            principal=principal,
            application=snapshot.application(principal.application),
            snapshot=snapshot,
        )

    # 2 ------------------------------------------------------------------------------
    def _read(self, who: _Who, incoming: Incoming) -> _Read:
        said = declared(incoming.headers, who.principal, who.application.classification)
        reading = DIALECTS[incoming.route].read(incoming.body, self._limits)
        if said.subject is None and who.application.subject_field:
            said = replace(said, subject=reading.lookup(who.application.subject_field))
        return _Read(reading=reading, declared=said)

    # 3 ------------------------------------------------------------------------------
    def _admit(self, who: _Who, read: _Read, trail: Trail) -> _Admitted:
        self._shed(who.principal.key_id)
        governance = who.snapshot.governance
        model = resolve(governance.catalogue, read.reading.model)
        if model is None:
            raise PolicyDenied("this model is not served here; see GET /v1/models", code="model_not_allowed")
        trail.model, trail.lineage = model.name, model.lineage
        allowed = governance.access.may_invoke(
            who.principal,
            model=read.reading.model,
            purpose=read.declared.purpose,
            classification=read.declared.classification,
        )
        if not allowed.allowed:
            raise PolicyDenied(
                "this key may not use this model for this purpose",
                code="model_not_allowed",
                rules=allowed.reasons,
            )
        return _Admitted(targets=model.targets)

    def _shed(self, key_id: str) -> None:
        """Refuse early while a key's window is known to be full; the log decides otherwise."""
        left = self._full_until.get(key_id, 0.0) - self._clock()
        if left > 0:
            raise LimitExceeded("the key's limit of requests is reached", retry_after=math.ceil(left))
        self._full_until.pop(key_id, None)

    # 4 ------------------------------------------------------------------------------
    async def _screen(self, who: _Who, read: _Read) -> tuple[tuple[Finding, ...], ...]:
        governance = who.snapshot.governance
        return await screen_parts(
            governance.screener, read.reading.parts, self._memo, governance.policy.digest
        )

    @staticmethod
    def _refuse_marked_ids(read: _Read, findings: Sequence[Sequence[Finding]]) -> None:
        for part, found in zip(read.reading.parts, findings, strict=True):
            if part.kind is PartKind.STRUCTURAL and found:
                raise InvalidRequest(
                    f"{found[0].entity_type} inside an id, which cannot be changed safely",
                    code="personal_data_in_id",
                    position=part.position,
                )

    # 5 ------------------------------------------------------------------------------
    def _decide(
        self, who: _Who, read: _Read, findings: Sequence[Sequence[Finding]], target: Target
    ) -> Decision:
        facts = _facts(who, read, target, Direction.REQUEST)
        decision = who.snapshot.governance.policy.decide(facts, findings)
        if decision.allowed or self._report_only:
            return decision
        raise _denial(decision, read)

    # 6 ------------------------------------------------------------------------------
    def _protect(self, who: _Who, read: _Read, decision: Decision, target: Target) -> _Protected:
        tenant, application = who.principal.tenant, who.principal.application
        scope = read.declared.conversation or read.reading.conversation or ""
        surrogates = Surrogates(
            key=self._keyring.purpose_key(Purpose.SURROGATE, tenant=tenant, context=application),
            tenant=tenant,
            application=application,
            scope=scope,
        )
        planned = plan(read.reading.parts, decision, surrogates)
        texts = {
            part.index: apply(part.text, changes)
            for part, changes in zip(read.reading.parts, planned.replacements, strict=True)
            if changes
        }
        body = read.reading.write({} if self._report_only else texts, model=target.model)
        return _Protected(decision=decision, plan=planned, body=body)

    # 7 ------------------------------------------------------------------------------
    async def _intend(self, who: _Who, trail: Trail, protected: _Protected, target: Target) -> Receipt:
        trail.rules = protected.decision.rules
        holds = holds_of(who.principal) if trail.attempt == 1 else ()
        record = trail.intent(target, protected.decision, protected.body, holds)
        before, trail.target = trail.target, target
        appending = asyncio.ensure_future(self._recorder.append(record))
        try:
            receipt = await asyncio.shield(appending)
        except asyncio.CancelledError:
            # The record may be durable already: wait, so that the trail knows what to end.
            if isinstance(await appending, Denied):
                trail.target = before
            raise
        except GuardError:
            trail.target = before
            raise
        if isinstance(receipt, Denied):
            trail.target = before
            if receipt.hold.unit is HoldUnit.REQUESTS:
                self._full_until[who.principal.key_id] = self._clock() + receipt.retry_after
            raise _OverLimit(receipt)
        return receipt

    # 8 ------------------------------------------------------------------------------
    async def _forward(
        self, who: _Who, incoming: Incoming, protected: _Protected, target: Target
    ) -> UpstreamAnswer:
        provider = who.snapshot.governance.catalogue.providers[target.provider]
        return await self._upstream.send(
            provider,
            path=DIALECTS[incoming.route].path,
            body=protected.body,
            caller_authorization=incoming.caller_authorization,
        )

    # 9 to 12 stand in pipeline/answer.py ---------------------------------------------
    def _answering(
        self, who: _Who, read: _Read, protected: _Protected, trail: Trail, target: Target
    ) -> AnswerContext:
        vault = {} if self._report_only else protected.plan.vault
        own = [part.text for part in read.reading.parts if part.by_caller] if vault else []
        return AnswerContext(
            dialect=DIALECTS[trail.route],
            reading=read.reading,
            policy=who.snapshot.governance.policy,
            screener=who.snapshot.governance.screener,
            facts=_facts(who, read, target, Direction.ANSWER),
            restore=RestoreContext(vault=vault, hosts=hosts_in(own), tools=who.application.tools),
            trail=trail,
            surrogates=protected.plan.seen,
            report_only=self._report_only,
        )

    # Ends ----------------------------------------------------------------------------
    async def _end_with(self, trail: Trail, error: GuardError, started: float) -> Result:
        """Make the end durable before the caller hears of it."""
        if isinstance(error, _OverLimit):
            limit = LimitExceeded(error.message, retry_after=error.retry_after)
            return self._failed(trail, limit, error.denied.receipt, started)
        if trail.target is None:
            record = trail.refused(error)
        else:
            record = trail.outcome(_nothing("failed"))
        try:
            receipt = await self._recorder.append(record)
        except GuardError as unavailable:
            return self._failed(trail, unavailable, None, started)
        return self._failed(trail, error, receipt if isinstance(receipt, Receipt) else None, started)

    def _failed(self, trail: Trail, error: GuardError, receipt: Receipt | None, started: float) -> Result:
        stamp = self._stamp(trail, receipt, started, 0.0)
        note = _nothing("refused" if trail.target is None else "failed")
        self._ended(trail, stamp, started, note, code=error.code)
        return Result(stamp=stamp, error=error)

    def _stamp(self, trail: Trail, receipt: Receipt | None, started: float, upstream: float) -> Stamp:
        return Stamp(
            exchange=trail.exchange,
            policy=trail.policy,
            entities=dict(trail.counts),
            record=receipt.index if receipt else None,
            checkpoint=self._recorder.checkpoint(trail.tenant) if trail.principal else None,
            guard_seconds=_since(started) - upstream,
            reporting=self._report_only,
        )

    def _ended(self, trail: Trail, stamp: Stamp, started: float, note: AnswerNote, *, code: str = "") -> None:
        self._observer.exchange_ended(
            Summary(
                exchange=trail.exchange,
                route=trail.route,
                end=note.end,
                code=code,
                attempts=trail.attempt,
                guard_seconds=stamp.guard_seconds,
                total_seconds=_since(started),
                entities=dict(trail.counts),
                restored=note.restored,
                withheld=note.withheld,
                prefix_changed=trail.prefix_changed,
            )
        )


class _OverLimit(LimitExceeded):
    """A hold was denied; the refusal is already durable."""

    def __init__(self, denied: Denied) -> None:
        unit = denied.hold.unit.value
        super().__init__(
            f"the key's limit of {denied.hold.cap} {unit} is reached", retry_after=denied.retry_after
        )
        self.denied = denied


def _since(started: float) -> float:
    return time.perf_counter() - started


def _facts(who: _Who, read: _Read, target: Target, direction: Direction) -> Facts:
    return Facts(
        direction=direction,
        application=who.principal.application,
        purpose=read.declared.purpose,
        model=read.reading.model,
        region=target.region,
    )


def _denial(decision: Decision, read: _Read) -> PolicyDenied:
    blocked = [
        obligation
        for index in decision.blocked
        for obligation in decision.obligations[index]
        if obligation.operator is Operator.BLOCK
    ]
    counts: dict[str, int] = {}
    for obligation in blocked:
        name = obligation.finding.entity_type
        counts[name] = counts.get(name, 0) + 1
    rules = tuple(sorted({obligation.rule for obligation in blocked}))
    what = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return PolicyDenied(
        f"blocked by policy rule {', '.join(rules)}: {what}",
        position=read.reading.parts[decision.blocked[0]].position,
        rules=rules,
    )


def _nothing(end: str) -> AnswerNote:
    return AnswerNote(
        end=end,
        entities={},
        rules=(),
        restored=0,
        withheld=0,
        surrogates=0,
        size=0,
        digest=None,
        usage=None,
    )
