"""Mask: letters and digits become asterisks, but for the last few. Residue: partial."""

from __future__ import annotations

from guard.domain.decision import Obligation

__all__ = ["mask"]

SHOWN_AT_MOST = 2
"""At most this fraction (one in two) of a value's letters and digits stays readable."""


def mask(obligation: Obligation, value: str) -> str:
    """Return the masked value; ``keep_last`` letters and digits stay (default none)."""
    wanted = int(obligation.parameters.get("keep_last", 0))
    marks = [index for index, character in enumerate(value) if character.isalnum()]
    kept = min(wanted, len(marks) // SHOWN_AT_MOST)
    hidden = set(marks[: len(marks) - kept])
    return "".join("*" if index in hidden else character for index, character in enumerate(value))
