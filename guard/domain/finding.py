"""What screening found, and where. Findings never hold the value itself."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A half-open range of code points ``[start, end)`` of one text that is of a type."""

    entity_type: str
    start: int
    end: int
    score: float
    recognizer: str
