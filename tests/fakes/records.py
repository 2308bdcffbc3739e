"""Records of every type with unimportant contents, so that a test names only what it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guard.domain.canonical import Json
from guard.domain.event import EVENT_TYPES, Hold, HoldUnit, Record, Settlement

__all__ = ["hold", "intent", "outcome", "record", "refused"]


def record(type: str, *, tenant: str = "default", once: str | None = None, **fields: Json) -> Record:
    """Return a record of a type; fields that are not named are empty."""
    kind = EVENT_TYPES[type]
    named, sealed = fields.keys() & kind.fields, fields.keys() & kind.sealed
    return Record(
        tenant=tenant,
        type=type,
        fields={name: fields[name] if name in named else "" for name in kind.fields},
        sealed={name: fields[name] for name in sealed},
        once=once,
    )


def intent(
    exchange: str,
    *,
    attempt: int = 1,
    tenant: str = "default",
    holds: Sequence[Hold] = (),
    sealed: Mapping[str, Json] | None = None,
) -> Record:
    """Return the intent of an attempt, with its denied form if it holds anything."""
    plain = record("exchange.intent", tenant=tenant, exchange=exchange, attempt=attempt)
    return Record(
        tenant=tenant,
        type=plain.type,
        fields=plain.fields,
        sealed=sealed or {"subject": "someone", "counts": {"EMAIL_ADDRESS": 1}},
        opens=exchange,
        holds=tuple(holds),
        denied=refused(exchange, tenant=tenant) if holds else None,
    )


def refused(exchange: str, *, tenant: str = "default") -> Record:
    """Return the refusal of an exchange."""
    return record("exchange.refused", tenant=tenant, exchange=exchange, attempt=0)


def outcome(
    exchange: str,
    *,
    tenant: str = "default",
    settlements: Sequence[Settlement] = (),
) -> Record:
    """Return the outcome of an exchange."""
    plain = record("exchange.outcome", tenant=tenant, exchange=exchange, attempt=1)
    return Record(
        tenant=tenant,
        type=plain.type,
        fields=plain.fields,
        sealed={"subject": "someone"},
        closes=exchange,
        settlements=tuple(settlements),
    )


def hold(
    unit: HoldUnit = HoldUnit.REQUESTS, *, cap: int, amount: int = 1, window: int = 60, key: str = "key-1"
) -> Hold:
    """Return a hold; ``CONCURRENT`` has no window."""
    return Hold(
        key=key, unit=unit, amount=amount, cap=cap, window=0 if unit is HoldUnit.CONCURRENT else window
    )
