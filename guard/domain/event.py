"""Records of the log: their types, the port through which any stage leaves one.

A record becomes a *leaf* (canonical bytes in the Merkle log, no personal data) and *side
rows* (sealed values, erasable). ``audit/leaf.py`` does that; this file says what a
record of each type holds. Every sealed name of the type is always in the leaf (nothing
to say is a sealed null), so presence tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from guard.domain.canonical import Json

__all__ = [
    "EVENT_TYPES",
    "CheckpointSummary",
    "Denied",
    "EventType",
    "Hold",
    "HoldUnit",
    "Receipt",
    "Record",
    "Recorder",
    "Settlement",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """What a record of the type holds, beside ``boot, id, tenant, time, type, v``."""

    name: str
    fields: frozenset[str]
    sealed: frozenset[str]


def _types() -> tuple[EventType, ...]:
    def event(name: str, fields: str, sealed: str = "") -> EventType:
        return EventType(name=name, fields=frozenset(fields.split()), sealed=frozenset(sealed.split()))

    who = "principal"
    path = "application exchange model policy purpose route"
    return (
        event("system.started", "enforcement mode policy version workers"),
        event("system.stopped", "reason"),
        event("policy.loaded", "digests policy source"),
        event("policy.rejected", "policy reason source"),
        event("key.issued", "application expires models purposes", "key principal"),
        event("key.rotated", "application expires", "key principal successor"),
        event("key.revoked", "application", "key principal"),
        event("auth.failed", "count reason", "address"),
        event(
            "exchange.refused",
            f"{path} attempt candidates entities reason rules size",
            "counts features key principal subject",
        ),
        event(
            "exchange.intent",
            f"{path} attempt decision entities lineage provider region rules size",
            "body counts features key principal subject",
        ),
        event(
            "exchange.outcome",
            f"{path} attempt end entities provider region restored rules size surrogates usage withheld",
            "body counts key principal subject",
        ),
        event("exchange.gap", "attempt exchange lost"),
        event(
            "dataset.registered",
            "columns dataset identity licence parent policy purpose root rows shards unit",
            who,
        ),
        event("budget.set", "delta epsilon order relation root unit", who),
        event("budget.refused", "job largest mechanism root"),
        event("budget.reserved", "job mechanism reservation root"),
        event("budget.running", "job reservation root"),
        event("budget.settled", "executed job reservation root"),
        event("budget.released", "job reason reservation root"),
        event("budget.burnt", "job reason reservation root"),
        event("job.submitted", "job kind plan", who),
        event("job.started", "attempt job"),
        event("job.ended", "end job reason"),
        event("model.registered", "certificate dataset job model name stage version", who),
        event("model.staged", "model name stage version", who),
    )


EVENT_TYPES: Mapping[str, EventType] = MappingProxyType({event.name: event for event in _types()})
"""Every type of record by name.

``exchange.outcome``'s ``end`` is one of ``complete``, ``aborted`` (the caller left),
``failed`` (the upstream did, or we), ``blocked`` (a rule on answers). ``usage`` maps
``prompt`` and ``completion`` to the provider's token counts, or is null.
``exchange.intent``'s ``lineage`` names what a private model is made of, and is empty for others.
``exchange.gap``'s ``lost`` is the boot whose end was never recorded.
"""


class HoldUnit(StrEnum):
    """What a usage limit counts."""

    REQUESTS = "requests"
    CONCURRENT = "concurrent"
    TOKENS = "tokens"
    MONEY = "money"
    """Micro-units of the tenant's currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Take ``amount`` of a limit, in the transaction of the record that carries it.

    Denied if the sum over the current window would be above ``cap``. ``window`` is in
    seconds, aligned to the epoch; 0 means a running count that its settlement gives
    back (``CONCURRENT``).
    """

    key: str
    unit: HoldUnit
    amount: int
    cap: int
    window: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an exchange really used of a unit; a hold without one stays as charge."""

    unit: HoldUnit
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to be made durable.

    ``fields`` and ``sealed`` have exactly the names of the type (a missing sealed name is
    a sealed null). ``subject``: the declared data subject, under whose key the side rows
    are sealed; ``None`` is the tenant's epoch key. ``opens`` and ``closes`` name the
    exchange whose intent or end this is: an exchange that is open when its process has
    died becomes a gap, and closing gives back its ``CONCURRENT`` holds. ``denied`` is the
    record of the same log written instead, in the same batch, if a hold is denied.
    ``once`` names a record that whoever sends it may send again after a crash: it is
    written the first time only, and each time gets the first one's receipt.
    """

    tenant: str
    type: str
    fields: Mapping[str, Json]
    sealed: Mapping[str, Json] = field(default_factory=dict)
    subject: str | None = None
    opens: str | None = None
    closes: str | None = None
    holds: tuple[Hold, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    denied: Record | None = None
    once: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The record is durable: its log, index and time (µs since 1970)."""

    tenant: str
    index: int
    time: int
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """A hold was over its cap; ``receipt`` is that of the record written instead."""

    hold: Hold
    receipt: Receipt
    retry_after: int
    """Seconds until the window ends; 1 for running counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSummary:
    """The newest checkpoint that this process knows of a log."""

    origin: str
    size: int
    root: str
    """Base64, as in the checkpoint."""


class Recorder(Protocol):
    """Leaves records. The only way to the log for everybody."""

    async def append(self, record: Record) -> Receipt | Denied:
        """Return once the record is durable.

        Raises ``AuditUnavailable``, and ``Conflict`` if the exchange that the record closes
        is not open: an exchange has one end.
        """
        ...

    def checkpoint(self, tenant: str) -> CheckpointSummary | None:
        """Return the newest checkpoint known here, without I/O."""
        ...
