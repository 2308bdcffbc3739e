"""The texts of a request, as a dialect finds them and the later stages see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Encoding", "Part", "PartKind", "Replacement", "Target"]


class PartKind(StrEnum):
    """How a position is treated (DESIGN §2, closed by default)."""

    SCREENED = "screened"
    STRUCTURAL = "structural"
    """An id: scanned like text but never edited; a finding in it refuses the request."""


class Encoding(StrEnum):
    """How the part's text is written at its position."""

    TEXT = "text"
    JSON = "json"
    """JSON inside a string (tool arguments): edited by spans, originals are escaped."""
    NUMBER = "number"
    """A JSON number screened as text; a replacement turns it into a string."""
    KEY = "key"
    """An object key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One text of a request.

    ``position`` is its path as a person reads it (``messages[3].content[0].text``).
    ``by_caller``: the text is the caller's own word (not a tool result or an earlier
    answer), so hosts named in it may carry restored values.
    """

    index: int
    position: str
    text: str = field(repr=False)
    kind: PartKind
    encoding: Encoding
    by_caller: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One change: ``[start, end)`` of a part's text becomes ``text``."""

    start: int
    end: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One place that a model name may lead to."""

    provider: str
    model: str
    region: str
