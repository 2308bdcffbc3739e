"""What the pipeline tells telemetry: numbers and codes, never payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Observer", "Summary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One ended exchange: how it ended, what was found, where the time went.

    ``guard_seconds`` is Guard's own time before the first byte went to the caller;
    ``entities`` counts findings of the request by type.
    """

    exchange: str
    route: str
    end: str
    code: str
    attempts: int
    guard_seconds: float
    total_seconds: float
    entities: Mapping[str, int]
    restored: int
    withheld: int
    prefix_changed: int


class Observer(Protocol):
    """Hears of every ended exchange, and of faults that are ours."""

    def exchange_ended(self, summary: Summary) -> None:
        """Take note; must not raise and must not block."""
        ...

    def failed(self, task: str, error: BaseException) -> None:
        """Report a fault of the program; its message may quote anything and is not kept."""
        ...
