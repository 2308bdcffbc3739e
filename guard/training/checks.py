"""What a self-test found: one check for each way in which a trainer may betray its plan.

No torch here: a certificate is verified where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from guard.domain.canonical import Json

__all__ = ["CHECKS", "Check", "SelfTest"]

CHECKS = ("sensitivity", "noise", "sampling", "division", "steps", "audit")
"""Every check that a certificate needs, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. ``figures``: what was measured, and what it was held against."""

    name: str
    passed: bool
    figures: Mapping[str, float]

    def plain(self) -> Json:
        """Return the check as JSON; figures are decimal strings."""
        figures = {name: repr(float(value)) for name, value in self.figures.items()}
        return {"figures": figures, "name": self.name, "passed": self.passed}


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """All checks of one trainer under one plan; ``plan`` is its digest."""

    plan: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check was made and passed."""
        return tuple(check.name for check in self.checks) == CHECKS and not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the checks that failed."""
        return tuple(check.name for check in self.checks if not check.passed)

    def plain(self) -> Json:
        """Return the checks as JSON."""
        return [check.plain() for check in self.checks]
