"""Redact: nothing of the value is left, only its type. Residue: nothing."""

from __future__ import annotations

from guard.domain.decision import Obligation

__all__ = ["redact"]


def redact(obligation: Obligation, _value: str) -> str:
    """Return ``[EMAIL_ADDRESS]``."""
    return f"[{obligation.finding.entity_type}]"
