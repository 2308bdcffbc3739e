"""What each change of the ledger leaves in the log. Decimal figures stand as text: leaves hold no floats."""

from __future__ import annotations

from guard.domain.canonical import Json
from guard.domain.event import Record
from guard.domain.privacy import Budget, Mechanism, Reservation, SpendState

__all__ = [
    "budget_record",
    "decimal",
    "mechanism_fields",
    "refusal_record",
    "reservation_record",
]


def budget_record(tenant: str, budget: Budget, *, principal: str) -> Record:
    """Return the record of a budget that was set."""
    return Record(
        tenant=tenant,
        type="budget.set",
        fields={
            "delta": decimal(budget.delta),
            "epsilon": decimal(budget.epsilon),
            "order": budget.order,
            "relation": budget.relation,
            "root": budget.root,
            "unit": budget.unit.kind,
        },
        sealed={"principal": principal},
    )


def refusal_record(tenant: str, asked: Reservation, *, largest: int) -> Record:
    """Return the record of a reservation that did not fit."""
    return Record(
        tenant=tenant,
        type="budget.refused",
        fields={
            "job": asked.job,
            "largest": largest,
            "mechanism": mechanism_fields(asked.mechanism),
            "root": asked.root,
        },
    )


def reservation_record(tenant: str, reservation: Reservation, *, reason: str = "") -> Record:
    """Return the record of the state that a reservation has come to."""
    fields: dict[str, Json] = {
        "job": reservation.job,
        "reservation": reservation.id,
        "root": reservation.root,
    }
    match reservation.state:
        case SpendState.RESERVED:
            fields["mechanism"] = mechanism_fields(reservation.mechanism)
        case SpendState.SETTLED:
            fields["executed"] = reservation.written_ahead
        case SpendState.RELEASED | SpendState.BURNT:
            fields["reason"] = reason
        case SpendState.RUNNING:
            pass
    return Record(tenant=tenant, type=f"budget.{reservation.state}", fields=fields)


def mechanism_fields(mechanism: Mechanism) -> dict[str, Json]:
    """Return a mechanism as it stands in leaves and seals."""
    return {
        "noise_multiplier": decimal(mechanism.noise_multiplier),
        "sample_rate": decimal(mechanism.sample_rate),
        "steps": mechanism.steps,
    }


def decimal(value: float) -> str:
    """Return a number as text, the same for equal numbers of any type."""
    return repr(float(value))
