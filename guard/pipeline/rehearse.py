"""What would happen to a text under a bundle: findings, decision, protected text.

The one function behind ``guard screen``-like trials, ``policy explain`` and later replay:
the same stages as an exchange, nothing recorded, nothing forwarded.
"""

from __future__ import annotations

from dataclasses import dataclass

from guard.domain.decision import Decision
from guard.domain.exchange import Encoding, Part, PartKind
from guard.domain.finding import Finding
from guard.policy.engine import CompiledPolicy, Facts
from guard.protection.apply import apply
from guard.protection.plan import plan
from guard.protection.surrogate import Surrogates
from guard.screening.engine import Screener

__all__ = ["Rehearsal", "rehearse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """The outcome of a trial; ``protected`` is ``None`` where the policy blocks."""

    findings: tuple[Finding, ...]
    decision: Decision
    protected: str | None


def rehearse(text: str, *, screener: Screener, policy: CompiledPolicy, facts: Facts, key: bytes) -> Rehearsal:
    """Try ``text`` as the caller's own words. ``key``: 32 bytes, any, for the surrogates."""
    findings = screener.screen(text)
    decision = policy.decide(facts, [findings])
    if not decision.allowed:
        return Rehearsal(findings=findings, decision=decision, protected=None)
    part = Part(
        index=0,
        position="text",
        text=text,
        kind=PartKind.SCREENED,
        encoding=Encoding.TEXT,
        by_caller=True,
    )
    surrogates = Surrogates(key=key, tenant="default", application=facts.application, scope="")
    planned = plan([part], decision, surrogates)
    return Rehearsal(findings=findings, decision=decision, protected=apply(text, planned.replacements[0]))
