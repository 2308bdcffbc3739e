"""The targets of every benchmark, read from ``targets.toml``, and how a value is held to them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from benchmarks.outcome import Measured, Outcome

__all__ = ["TARGETS", "Bar", "Row", "Target", "load", "rows"]

FILE = Path(__file__).parent / "targets.toml"


class Row(TypedDict):
    """One line of a result. ``target`` is empty and ``holds`` null where no bar speaks."""

    benchmark: str
    what: str
    value: float
    unit: str
    target: str
    holds: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One number to reach; exactly one of ``at_most`` and ``at_least`` is given."""

    what: str
    unit: str
    at_most: float | None
    at_least: float | None
    grants: str

    def holds(self, measured: Measured) -> bool:
        """Whether a value reaches the bar."""
        if self.at_most is not None:
            return measured.value <= self.at_most + measured.allowance
        return self.at_least is not None and measured.value >= self.at_least

    def words(self, measured: Measured) -> str:
        """Return the target as people read it."""
        if self.at_most is None:
            return f"≥ {self.at_least:,g}"
        if not self.grants:
            return f"≤ {self.at_most:,g}"
        total = self.at_most + measured.allowance
        return f"≤ {self.at_most:,g} + {self.grants} = {total:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A benchmark's name, issue and words, and its bars by their short names."""

    name: str
    issue: str
    what: str
    reach: str
    long: bool
    bars: Mapping[str, Bar]


def load(path: Path = FILE) -> dict[str, Target]:
    """Return every target by name. Raises ``KeyError`` or ``ValueError`` for a wrong file."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    targets: dict[str, Target] = {}
    for entry in document["benchmark"]:
        bars = {name: _bar(name, bar) for name, bar in entry["bars"].items()}
        targets[entry["name"]] = Target(
            name=entry["name"],
            issue=entry["issue"],
            what=entry["what"],
            reach=entry["reach"],
            long=entry.get("long", False),
            bars=bars,
        )
    return targets


def _bar(name: str, entry: dict[str, str | float]) -> Bar:
    most, least = entry.get("at_most"), entry.get("at_least")
    if (most is None) == (least is None):
        raise ValueError(f"bar {name}: give at_most or at_least")
    return Bar(
        what=str(entry["what"]),
        unit=str(entry["unit"]),
        at_most=None if most is None else float(most),
        at_least=None if least is None else float(least),
        grants=str(entry.get("grants", "")),
    )


def rows(target: Target, outcome: Outcome) -> list[Row]:
    """Return the lines of a result, bars first. Raises ``RuntimeError`` if one was not measured."""
    missing = target.bars.keys() - {measured.bar for measured in outcome.measured}
    if missing:
        raise RuntimeError(f"{target.name} did not measure {', '.join(sorted(missing))}")
    lines: list[Row] = []
    for measured in outcome.measured:
        bar = target.bars[measured.bar]
        lines.append(
            Row(
                benchmark=target.name,
                what=f"{bar.what}, {measured.case}" if measured.case else bar.what,
                value=rounded(measured.value),
                unit=bar.unit,
                target=bar.words(measured),
                holds=bar.holds(measured),
            )
        )
    for fact in outcome.facts:
        lines.append(
            Row(
                benchmark=target.name,
                what=fact.what,
                value=rounded(fact.value),
                unit=fact.unit,
                target="",
                holds=None,
            )
        )
    return lines


def rounded(value: float) -> float:
    """Return three significant decimals at most; a count stays a count."""
    return int(value) if float(value).is_integer() else float(f"{value:.4g}")


TARGETS: Mapping[str, Target] = load()
