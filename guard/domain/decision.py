"""What policy decides about findings, and what must then be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from guard.domain.finding import Finding

__all__ = ["Decision", "Direction", "Holdback", "Obligation", "Operator", "Residue"]


class Direction(StrEnum):
    """Which way a text travels."""

    REQUEST = "request"
    ANSWER = "answer"


class Operator(IntEnum):
    """How a finding is changed, in rising order of protection (DESIGN §5)."""

    KEEP = 0
    GENERALISE = 1
    MASK = 2
    SURROGATE = 3
    PSEUDONYMISE = 4
    FPE = 5
    ENCRYPT = 6
    HASH = 7
    REDACT = 8
    BLOCK = 9

    @property
    def word(self) -> str:
        """The operator as policies write it."""
        return self.name.lower()


class Holdback(IntEnum):
    """How much of an answer waits until all of it is screened; policies write ``hold``."""

    NONE = 0
    SENTENCE = 1
    PART = 2
    """A whole text or the arguments of a call."""
    ANSWER = 3
    """Everything of a choice."""

    @property
    def word(self) -> str:
        """The level as policies write it."""
        return self.name.lower()


class Residue(StrEnum):
    """What an operator leaves of the value."""

    ORIGINAL = "original"
    PARTIAL = "partial"
    LINKABLE_TOKEN = "linkable token"  # noqa: S105 (a residue's name)
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What must be done with one finding, and the rule that says so.

    ``rule`` is ``unmatched`` where no rule matched. ``parameters`` are those of the
    operator (``mask``: ``keep_last``).
    """

    finding: Finding
    operator: Operator
    rule: str
    parameters: Mapping[str, int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision for one target: an obligation for every finding of every part.

    ``obligations[i]`` belongs to part ``i``, in order of position. ``blocked`` lists the
    parts' indices with a finding that blocks.
    """

    obligations: tuple[tuple[Obligation, ...], ...]
    rules: tuple[str, ...]
    blocked: tuple[int, ...]

    @property
    def allowed(self) -> bool:
        """Whether the exchange may go on."""
        return not self.blocked
