"""What has been established about an exchange so far, and the records made of it.

A refusal can come at any step; its record holds what was known by then. Records hold
types, codes, buckets and commitments; whatever is personal goes in as sealed values.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from guard.domain.canonical import Json
from guard.domain.decision import Decision
from guard.domain.event import Denied, Hold, HoldUnit, Receipt, Record, Settlement
from guard.domain.exchange import Part, Target
from guard.domain.finding import Finding
from guard.domain.principal import Principal
from guard.errors import GuardError, LimitExceeded, PolicyDenied

__all__ = ["ABORTED", "AnswerNote", "Trail", "bucket"]

ABORTED = "aborted"
"""Code and end of an exchange whose caller left."""

REASON_LIMIT = 200
SMALLEST = 256
FEATURES = 512
"""Findings kept as features for replay; the counts are always whole."""


def bucket(size: int) -> str:
    """Return the power-of-four bucket of a size in bytes: ``1k-4k``."""
    low = SMALLEST
    if size < low:
        return f"0-{low}"
    while size >= low * 4:
        low *= 4
    return f"{_short(low)}-{_short(low * 4)}"


def _short(size: int) -> str:
    for unit, factor in (("m", 2**20), ("k", 2**10)):
        if size >= factor:
            return f"{size // factor}{unit}"
    return str(size)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerNote:
    """What happened to the answer; the non-personal half of an outcome."""

    end: str
    entities: Mapping[str, int]
    rules: tuple[str, ...]
    restored: int
    withheld: int
    surrogates: int
    size: int
    digest: str | None
    usage: Mapping[str, int] | None


@dataclass(slots=True, kw_only=True)
class Trail:
    """The growing knowledge about one exchange. Each step adds; nothing is taken back."""

    exchange: str
    route: str
    size: int
    principal: Principal | None = None
    policy: str = ""
    purpose: str = ""
    subject: str | None = None
    model: str = ""
    lineage: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)
    features: list[Json] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    rules: tuple[str, ...] = ()
    attempt: int = 0
    target: Target | None = None
    record: int | None = None
    """The index of the newest intent."""
    prefix_changed: int = 0
    reporting: bool = False
    ended: bool = False
    """The record of the exchange's end is on its way: no second one is written."""
    _unsaid: str | None = field(default=None, repr=False)
    """A name asked for that holds a finding, so no record may."""

    @property
    def tenant(self) -> str:
        """The log that this exchange is recorded in."""
        return self.principal.tenant if self.principal else "system"

    def found(self, findings: Sequence[Sequence[Finding]]) -> None:
        """Take note of what screening found."""
        for part, group in enumerate(findings):
            for finding in group:
                self.counts[finding.entity_type] += 1
                if len(self.features) < FEATURES:
                    self.features.append(
                        [part, finding.entity_type, finding.start, finding.end, round(finding.score * 1000)]
                    )

    def asked(self, name: str, parts: Sequence[Part], findings: Sequence[Sequence[Finding]]) -> None:
        """Take note of the model's name as the caller wrote it, unless something was found in it."""
        if any(part.text == name for part, found in zip(parts, findings, strict=True) if found):
            self._unsaid = name
        else:
            self.model = name

    def reject(self, target: Target) -> None:
        """Take note of a candidate that will not be used."""
        model = self.model if target.model == self._unsaid else target.model
        self.rejected.append(f"{target.provider}/{model}")

    def told(self, target: Target, receipt: Receipt | Denied) -> None:
        """Take note of what the log says about an intent for ``target``."""
        if isinstance(receipt, Denied):
            self.ended = True
        else:
            self.attempt += 1
            self.target, self.record = target, receipt.index

    def end(self, error: GuardError) -> Record:
        """Return the record of an end without an answer."""
        self.ended = True
        return self.refused(error) if self.target is None else self.outcome(self.nothing(error))

    def nothing(self, error: GuardError) -> AnswerNote:
        """Return the note of an exchange that gave the caller nothing."""
        return AnswerNote(
            end=self._ending(error),
            entities={},
            rules=error.rules if isinstance(error, PolicyDenied) else (),
            restored=0,
            withheld=0,
            surrogates=0,
            size=0,
            digest=None,
            usage=None,
        )

    def _ending(self, error: GuardError) -> str:
        if self.target is None:
            return "refused"
        if isinstance(error, PolicyDenied):
            return "blocked"
        return "aborted" if error.code == ABORTED else "failed"

    def refused(self, error: GuardError) -> Record:
        """Return the record of a refusal; it closes nothing, because nothing was opened."""
        rules = error.rules if isinstance(error, PolicyDenied) else self.rules
        return Record(
            tenant=self.tenant,
            type="exchange.refused",
            fields={
                **self._path(),
                "attempt": self.attempt,
                "candidates": list(self.rejected),
                "entities": sorted(self.counts),
                "reason": error.code[:REASON_LIMIT],
                "rules": list(rules),
                "size": bucket(self.size),
            },
            sealed={**self._people(), "counts": dict(self.counts), "features": list(self.features)},
            subject=self.subject,
        )

    def intent(self, target: Target, decision: Decision, body: bytes, holds: Sequence[Hold]) -> Record:
        """Return the record that must be durable before ``body`` leaves for ``target``."""
        changed = any(o.operator for part in decision.obligations for o in part)
        return Record(
            tenant=self.tenant,
            type="exchange.intent",
            fields={
                **self._path(),
                "attempt": self.attempt + 1,
                "decision": "protect" if changed else "allow",
                "entities": sorted(self.counts),
                "lineage": list(self.lineage),
                "provider": target.provider,
                "region": target.region,
                "rules": list(decision.rules),
                "size": bucket(len(body)),
            },
            sealed={
                **self._people(),
                "body": hashlib.sha256(body).hexdigest(),
                "counts": dict(self.counts),
                "features": list(self.features),
            },
            subject=self.subject,
            opens=self.exchange,
            holds=tuple(holds),
            denied=self.refused(LimitExceeded("", retry_after=1)),
        )

    def outcome(self, note: AnswerNote) -> Record:
        """Return the record of the exchange's end; it closes what the intents opened."""
        self.ended = True
        target = self.target or Target(provider="", model="", region="")
        usage = dict(note.usage) if note.usage else None
        return Record(
            tenant=self.tenant,
            type="exchange.outcome",
            fields={
                **self._path(),
                "attempt": self.attempt,
                "end": note.end,
                "entities": sorted(note.entities),
                "provider": target.provider,
                "region": target.region,
                "restored": note.restored,
                "rules": list(note.rules),
                "size": bucket(note.size),
                "surrogates": note.surrogates,
                "usage": usage,
                "withheld": note.withheld,
            },
            sealed={**self._people(), "body": note.digest, "counts": dict(note.entities)},
            subject=self.subject,
            closes=self.exchange,
            settlements=_settlements(usage),
        )

    def _path(self) -> dict[str, Json]:
        return {
            "application": self.principal.application if self.principal else "",
            "exchange": self.exchange,
            "model": self.model,
            "policy": self.policy,
            "purpose": self.purpose,
            "route": self.route,
        }

    def _people(self) -> dict[str, Json]:
        return {
            "key": self.principal.key_id if self.principal else None,
            "principal": None,
            "subject": self.subject,
        }


def _settlements(usage: Mapping[str, int] | None) -> tuple[Settlement, ...]:
    if not usage:
        return ()
    return (Settlement(unit=HoldUnit.TOKENS, amount=sum(usage.values())),)
