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
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from guard.domain.decision import Direction
from guard.domain.event import Denied, HoldUnit, Receipt, Record, Recorder
from guard.domain.exchange import Target
from guard.domain.principal import Principal
from guard.errors import (
    AuditUnavailable,
    AuthenticationError,
    Conflict,
    GuardError,
    LimitExceeded,
    PolicyDenied,
    UpstreamRejected,
    UpstreamUnavailable,
)
from guard.identity.api_keys import authenticate
from guard.keys.keyring import Keyring
from guard.limits.holds import holds_of
from guard.pipeline.answer import AnswerContext, Reply, open_answer
from guard.pipeline.memo import FindingMemo
from guard.pipeline.observer import Observer, Summary
from guard.pipeline.request import Protected, Read, Who, admit, decide, facts_of, protect, read, screen
from guard.pipeline.result import Incoming, Result, Stamp
from guard.pipeline.snapshot import Snapshot
from guard.pipeline.strangers import Strangers
from guard.pipeline.trail import ABORTED, AnswerNote, Trail
from guard.protection.restore import RestoreContext
from guard.protection.sinks import hosts_in
from guard.upstream.dialects import DIALECTS
from guard.upstream.json_text import BodyLimits
from guard.upstream.provider import Upstream, UpstreamAnswer

__all__ = ["Gate", "Incoming", "Result", "Stamp"]

SERVER_FAULT = 500
"""The least status that is about the provider and not about the request."""

INTERNAL = "Guard failed and stopped this exchange; the log of the service says where"
LEFT = "the caller left"


class Gate:
    """Runs exchanges. One per worker; holds ports, no state of any exchange.

    ``reporting``: whether to decide and record, but forward unchanged (``enforcement:
    report``); asked once an exchange. ``clock``: seconds since 1970.
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
        reporting: Callable[[], bool] = lambda: False,
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
        self._reporting = reporting
        self._clock = clock
        self._full_until: dict[str, float] = {}

    def authenticate(self, credential: str | None) -> tuple[Principal, Snapshot]:
        """Step 1 alone, for routes that only list. Raises ``AuthenticationError``."""
        snapshot = self._snapshot()
        now = int(self._clock() * 1e6)
        return authenticate(credential, snapshot.keys, keyring=self._keyring, now=now), snapshot

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
            # Without any key the problem of the request itself is the better answer.
            shown = error if incoming.credential or incoming.problem is None else incoming.problem
            self._strangers.note(shown.code, incoming.address)
            return self._failed(trail, shown, None, started)
        except GuardError as error:
            return await self._end_with(trail, error, started)
        except Exception as error:  # noqa: BLE001 (a fault of ours must still end the exchange and say so)
            self._observer.failed("exchange", error)
            return await self._end_with(trail, GuardError(INTERNAL), started)
        except asyncio.CancelledError:
            await self._end_left(trail, started)
            raise

    async def _run(self, incoming: Incoming, trail: Trail, started: float) -> Result:
        who = self._who(incoming, trail)  # 1
        request = read(who, incoming, self._limits)  # 2
        trail.purpose, trail.subject = request.declared.purpose, request.declared.subject
        self._shed(who.principal.key_id)
        admitted = admit(who, request, DIALECTS[incoming.route].name)  # 3
        trail.model, trail.lineage = admitted.model, admitted.lineage
        findings = await screen(who, request, self._memo)  # 4
        trail.found(findings)
        trail.asked(request.reading.model, request.reading.parts, findings)
        error: GuardError = PolicyDenied("no target is left for this model", code="model_not_allowed")
        elsewhere = 0.0
        for target in admitted.targets:
            try:
                decision = decide(who, request, findings, target)  # 5
            except PolicyDenied as denied:
                trail.reject(target)
                # A provider that failed may be back for a second try; a denial stays one.
                error = error if trail.attempt else denied
                continue
            protected = await protect(who, request, decision, target, self._keyring)  # 6
            receipt = await self._intend(who, trail, protected, target)  # 7
            stamp = self._stamp(trail, receipt, started, elsewhere)
            sending = time.perf_counter()
            try:
                answer = await self._forward(who, incoming, protected, target)  # 8
            except (UpstreamUnavailable, UpstreamRejected) as failure:
                elsewhere += time.perf_counter() - sending
                if isinstance(failure, UpstreamRejected) and failure.status < SERVER_FAULT:
                    raise
                trail.reject(target)
                error = failure
                continue
            elsewhere += time.perf_counter() - sending
            stamp = replace(stamp, guard_seconds=_since(started) - elsewhere)
            context = self._answering(who, request, protected, trail, target)
            return Result(stamp=stamp, reply=await self._open(context, answer, stamp, started))  # 9 to 12
        raise error

    # 1 ------------------------------------------------------------------------------
    def _who(self, incoming: Incoming, trail: Trail) -> Who:
        principal, snapshot = self.authenticate(incoming.credential)
        trail.principal, trail.policy = principal, snapshot.digest
        trail.reporting = self._reporting()
        return Who(
            principal=principal,
            application=snapshot.application(principal.application),
            snapshot=snapshot,
            report_only=trail.reporting,
        )

    # 2 to 6 stand in pipeline/request.py ----------------------------------------------
    def _shed(self, key_id: str) -> None:
        """Refuse early while a key's window is known to be full; the log decides otherwise."""
        left = self._full_until.get(key_id, 0.0) - self._clock()
        if left > 0:
            raise LimitExceeded("the key's limit of requests is reached", retry_after=math.ceil(left))
        self._full_until.pop(key_id, None)

    # 7 ------------------------------------------------------------------------------
    async def _intend(self, who: Who, trail: Trail, protected: Protected, target: Target) -> Receipt:
        trail.rules = protected.decision.rules
        trail.prefix_changed = protected.plan.prefix_changed
        holds = () if trail.attempt else holds_of(who.principal)
        record = trail.intent(target, protected.decision, protected.body, holds)
        appending = asyncio.ensure_future(self._recorder.append(record))
        try:
            told = await asyncio.shield(appending)
        except asyncio.CancelledError:
            # The record may be durable already: wait, so that the trail knows what to end.
            await asyncio.wait((appending,))
            if appending.exception() is None:
                trail.told(target, appending.result())
            raise
        trail.told(target, told)
        if isinstance(told, Denied):
            if told.hold.unit is HoldUnit.REQUESTS:
                self._full_until[who.principal.key_id] = self._clock() + told.retry_after
            raise _OverLimit(told)
        return told

    # 8 ------------------------------------------------------------------------------
    async def _forward(
        self, who: Who, incoming: Incoming, protected: Protected, target: Target
    ) -> UpstreamAnswer:
        provider = who.snapshot.governance.catalogue.providers[target.provider]
        return await self._upstream.send(
            provider,
            path=DIALECTS[incoming.route].path(target.model),
            body=protected.body,
            caller_authorization=incoming.caller_authorization,
        )

    # 9 to 12 stand in pipeline/answer.py ---------------------------------------------
    def _answering(
        self, who: Who, request: Read, protected: Protected, trail: Trail, target: Target
    ) -> AnswerContext:
        vault = protected.plan.vault
        own = [part.text for part in request.reading.parts if part.by_caller] if vault else []
        return AnswerContext(
            dialect=DIALECTS[trail.route],
            reading=request.reading,
            policy=who.snapshot.governance.policy,
            screener=who.snapshot.governance.screener,
            facts=facts_of(who, request, target, Direction.ANSWER),
            restore=RestoreContext(vault=vault, hosts=hosts_in(own), tools=who.application.tools),
            trail=trail,
            surrogates=protected.plan.seen,
            report_only=who.report_only,
        )

    async def _open(
        self, context: AnswerContext, answer: UpstreamAnswer, stamp: Stamp, started: float
    ) -> Reply:
        return await open_answer(
            context, answer, record=self._append, ended=partial(self._ended, context.trail, stamp, started)
        )

    # Ends ----------------------------------------------------------------------------
    async def _append(self, record: Record) -> Receipt | Denied:
        """Append whole: a caller that leaves meanwhile does not take the record back."""
        try:
            return await asyncio.shield(asyncio.ensure_future(self._recorder.append(record)))
        except Conflict:
            # Somebody took this exchange for lost and ended it: nothing more may be released.
            raise AuditUnavailable("the log holds an end of this exchange already") from None

    async def _end_with(self, trail: Trail, error: GuardError, started: float) -> Result:
        """Make the end durable before the caller hears of it."""
        if isinstance(error, _OverLimit):
            limit = LimitExceeded(error.message, retry_after=error.retry_after)
            return self._failed(trail, limit, error.denied.receipt, started)
        try:
            receipt = await self._append(trail.end(error))
        except GuardError as unavailable:
            return self._failed(trail, unavailable, None, started)
        return self._failed(trail, error, receipt if isinstance(receipt, Receipt) else None, started)

    async def _end_left(self, trail: Trail, started: float) -> None:
        """The caller left before there was an answer: the record says so, if it can be written."""
        if trail.principal is None:
            return
        error = GuardError(LEFT, code=ABORTED)
        try:
            if not trail.ended:
                await self._append(trail.end(error))
        except GuardError as unavailable:
            self._observer.failed("exchange", unavailable)
        self._failed(trail, error, None, started)

    def _failed(self, trail: Trail, error: GuardError, receipt: Receipt | None, started: float) -> Result:
        stamp = self._stamp(trail, receipt, started, 0.0)
        self._ended(trail, stamp, started, trail.nothing(error), code=error.code)
        return Result(stamp=stamp, error=error)

    def _stamp(self, trail: Trail, receipt: Receipt | None, started: float, elsewhere: float) -> Stamp:
        return Stamp(
            exchange=trail.exchange,
            policy=trail.policy,
            entities=dict(trail.counts),
            record=trail.record if trail.record is not None or receipt is None else receipt.index,
            checkpoint=self._recorder.checkpoint(trail.tenant) if trail.principal else None,
            guard_seconds=_since(started) - elsewhere,
            reporting=trail.reporting,
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
