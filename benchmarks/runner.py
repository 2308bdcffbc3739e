"""Run benchmarks by name and put their results together.

A benchmark ``area.topic`` is the module ``benchmarks.area.topic`` with a function
``measure(*, seed, say)``; one that has a longer form for ``soak`` has ``soak`` too.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable
from typing import NotRequired, Protocol, TypedDict, cast

from benchmarks.environment import environment
from benchmarks.outcome import NotRun, Outcome, Say
from benchmarks.targets import Row, Target, rows

__all__ = ["Document", "failed", "run"]


class Document(TypedDict):
    """A result as it is written. ``commit`` is there for runs of a whole issue."""

    name: str
    results: list[Row]
    environment: dict[str, str]
    seed: int
    seconds: dict[str, float]
    not_run: dict[str, str]
    notes: dict[str, list[str]]
    commit: NotRequired[str]


class _Measure(Protocol):
    def __call__(self, *, seed: int, say: Say) -> Outcome: ...


def _function(name: str, function: str) -> _Measure | None:
    module = importlib.import_module(f"benchmarks.{name}")
    return cast("_Measure | None", getattr(module, function, None))


def _named(name: str, say: Say) -> Say:
    return lambda text: say(f"{name}: {text}")


def run(name: str, targets: Iterable[Target], *, seed: int, say: Say, function: str = "measure") -> Document:
    """Run benchmarks one after the other; ``name`` is the result's own name."""
    document = Document(
        name=name, results=[], environment=environment(), seed=seed, seconds={}, not_run={}, notes={}
    )
    for target in targets:
        measure = _function(target.name, function)
        if measure is None:
            continue
        say(f"{target.name}: begins")
        started = time.monotonic()
        try:
            outcome = measure(seed=seed, say=_named(target.name, say))
        except NotRun as reason:
            document["not_run"][target.name] = str(reason)
            continue
        document["seconds"][target.name] = round(time.monotonic() - started, 1)
        document["results"] += rows(target, outcome)
        if outcome.notes:
            document["notes"][target.name] = list(outcome.notes)
    return document


def failed(document: Document) -> bool:
    """Whether a bar was missed or not measured."""
    return bool(document["not_run"]) or any(row["holds"] is False for row in document["results"])
