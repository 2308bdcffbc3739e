"""Steps 2 to 6 of an exchange: read, admit, screen, decide, protect.

Each takes and returns frozen values and calls no other step; ``exchange.py`` knows their
order. None of them leaves a record or sends anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from guard.domain.catalogue import Model
from guard.domain.decision import Decision, Direction, Operator
from guard.domain.exchange import PartKind, Target
from guard.domain.finding import Finding
from guard.domain.principal import Application, Principal
from guard.errors import InvalidRequest, PolicyDenied
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose
from guard.pipeline.declared import MAX_VALUE_BYTES, Declared, declared
from guard.pipeline.memo import FindingMemo, screen_parts
from guard.pipeline.result import Incoming
from guard.pipeline.snapshot import Snapshot
from guard.pipeline.turns import in_turns
from guard.policy.engine import Facts
from guard.protection.apply import apply
from guard.protection.plan import Plan, plan_steps
from guard.protection.surrogate import Surrogates
from guard.registry.models import resolve
from guard.upstream.dialect import Reading
from guard.upstream.dialects import DIALECTS
from guard.upstream.json_text import BodyLimits

__all__ = ["Admitted", "Protected", "Read", "Who", "admit", "decide", "facts_of", "protect", "read", "screen"]

Findings = tuple[tuple[Finding, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who asks, and the snapshot that decides about it. ``report_only``: nothing is changed."""

    principal: Principal
    application: Application
    snapshot: Snapshot
    report_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the body and the headers say."""

    reading: Reading
    declared: Declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """The model as the catalogue names it, and where it may be had."""

    model: str
    lineage: tuple[str, ...]
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protected:
    """A body that may go to one target, and how to restore its answer."""

    decision: Decision
    plan: Plan
    body: bytes = field(repr=False)


def read(who: Who, incoming: Incoming, limits: BodyLimits) -> Read:
    """Step 2. Raises ``InvalidRequest``, and ``PolicyDenied`` for a purpose the key does not have."""
    if incoming.problem is not None:
        raise incoming.problem
    said = declared(incoming.headers, who.principal, who.application.classification)
    reading = DIALECTS[incoming.route].read(incoming.body, limits, named=incoming.named)
    if said.subject is None and who.application.subject_field:
        said = replace(said, subject=_subject(reading, who.application.subject_field))
    return Read(reading=reading, declared=said)


def _subject(reading: Reading, name: str) -> str | None:
    subject = reading.lookup(name)
    if subject is not None and len(subject.encode()) > MAX_VALUE_BYTES:
        # Cutting it or leaving it out would lose the person from every later search.
        raise InvalidRequest(
            f"the subject is longer than {MAX_VALUE_BYTES} bytes", code="subject_too_long", position=name
        )
    return subject


def admit(who: Who, read: Read, dialect: str) -> Admitted:
    """Step 3, for a caller that speaks ``dialect``. Raises ``PolicyDenied``."""
    governance = who.snapshot.governance
    model = resolve(governance.catalogue, read.reading.model)
    if model is None:
        raise PolicyDenied("this model is not served here; see GET /v1/models", code="model_not_allowed")
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
    return Admitted(model=model.name, lineage=model.lineage, targets=_speaking(who, model, dialect))


def _speaking(who: Who, model: Model, dialect: str) -> tuple[Target, ...]:
    """Return the targets that speak the caller's dialect; nothing is translated."""
    providers = who.snapshot.governance.catalogue.providers
    targets = tuple(target for target in model.targets if providers[target.provider].dialect == dialect)
    if not targets:
        raise PolicyDenied("this model is not served at this endpoint", code="model_not_allowed")
    return targets


async def screen(who: Who, read: Read, memo: FindingMemo) -> Findings:
    """Step 4. Raises ``ScreeningFailed``."""
    governance = who.snapshot.governance
    return await screen_parts(governance.screener, read.reading.parts, memo, governance.policy.digest)


def decide(who: Who, read: Read, findings: Findings, target: Target) -> Decision:
    """Step 5. Raises ``PolicyDenied``, and ``InvalidRequest`` for a finding inside an id."""
    decision = who.snapshot.governance.policy.decide(facts_of(who, read, target, Direction.REQUEST), findings)
    if who.report_only:
        return decision
    _refuse_marked_ids(read, findings)
    if decision.allowed:
        return decision
    raise _denial(decision, read)


def _refuse_marked_ids(read: Read, findings: Sequence[Sequence[Finding]]) -> None:
    for part, found in zip(read.reading.parts, findings, strict=True):
        if part.kind is PartKind.STRUCTURAL and found:
            raise InvalidRequest(
                f"{found[0].entity_type} inside an id, which cannot be changed safely",
                code="personal_data_in_id",
                position=part.position,
            )


async def protect(who: Who, read: Read, decision: Decision, target: Target, keyring: Keyring) -> Protected:
    """Step 6. Raises ``ProtectionFailed`` and ``KeyUnavailable``."""
    parts = read.reading.parts
    if who.report_only:
        unchanged = Plan(replacements=((),) * len(parts), vault={}, seen=0, prefix_changed=0)
        return Protected(decision=decision, plan=unchanged, body=read.reading.write({}, model=target.model))
    tenant, application = who.principal.tenant, who.principal.application
    surrogates = Surrogates(
        key=keyring.purpose_key(Purpose.SURROGATE, tenant=tenant, context=application),
        tenant=tenant,
        application=application,
        scope=read.declared.conversation or read.reading.conversation or "",
    )
    planned = await in_turns(plan_steps(parts, decision, surrogates))
    texts = {
        part.index: apply(part.text, changes)
        for part, changes in zip(parts, planned.replacements, strict=True)
        if changes
    }
    return Protected(decision=decision, plan=planned, body=read.reading.write(texts, model=target.model))


def facts_of(who: Who, read: Read, target: Target, direction: Direction) -> Facts:
    """Return what the rules of a direction may ask about."""
    return Facts(
        direction=direction,
        application=who.principal.application,
        purpose=read.declared.purpose,
        model=read.reading.model,
        region=target.region,
    )


def _denial(decision: Decision, read: Read) -> PolicyDenied:
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
