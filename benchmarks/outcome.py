"""What a benchmark hands back, and why it may not have run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Fact", "Measured", "NotRun", "Outcome", "Say"]

Say = Callable[[str], None]
"""Tells whoever waits how far a benchmark is."""


class NotRun(Exception):
    """Something that the benchmark needs is not there; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A value for the bar ``bar`` of the benchmark's targets, in the bar's unit.

    ``case`` tells apart several values of one bar. ``allowance`` is what the bar grants
    on top of its number, measured in the same run.
    """

    bar: str
    value: float
    case: str = ""
    allowance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A value that no bar speaks about, but without which the others cannot be judged."""

    what: str
    value: float
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything that one run of a benchmark found. ``notes`` are lines for people."""

    measured: tuple[Measured, ...]
    facts: tuple[Fact, ...] = ()
    notes: tuple[str, ...] = ()
