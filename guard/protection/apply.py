"""Apply replacements to a text."""

from __future__ import annotations

from collections.abc import Sequence

from guard.domain.exchange import Replacement

__all__ = ["apply"]


def apply(text: str, replacements: Sequence[Replacement]) -> str:
    """Return ``text`` with ``replacements`` (by start, not overlapping) in place."""
    pieces: list[str] = []
    at = 0
    for replacement in replacements:
        pieces += (text[at : replacement.start], replacement.text)
        at = replacement.end
    pieces.append(text[at:])
    return "".join(pieces)
