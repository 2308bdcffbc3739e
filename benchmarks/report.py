"""``docs/results.md``, made from ``benchmarks/results/*.json`` and from nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from benchmarks.environment import ROOT
from benchmarks.runner import Document
from benchmarks.targets import TARGETS, Row

__all__ = ["PAGE", "RESULTS", "read_results", "render", "table"]

RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
HEAD = """# Results

Made by `python -m benchmarks report` from `benchmarks/results/`; a test compares. What each
benchmark has to reach stands in `benchmarks/targets.toml`, in the words of its issue. To
measure again: `make bench` (`ISSUE=name` for another issue).
"""
NOTHING = "\nNothing has been measured yet.\n"


def read_results(folder: Path = RESULTS) -> list[Document]:
    """Return every stored result, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def render(documents: Iterable[Document]) -> str:
    """Return the whole page."""
    sections = [_section(document) for document in documents]
    return HEAD + ("".join(sections) or NOTHING)


def _section(document: Document) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in document["environment"].items())
    commit = document.get("commit", "")
    lines = [f"\n## {document['name']}\n", f"Commit `{commit[:12]}`, seed {document['seed']}; {machine}.\n"]
    for name, seconds in document["seconds"].items():
        target = TARGETS.get(name)
        words = f"{target.what}. To reach: {target.reach}." if target else ""
        lines += [f"### {name}\n", f"{words} Took {seconds:,.0f} s.\n"]
        lines.append(_markdown(row for row in document["results"] if row["benchmark"] == name))
        notes = document["notes"].get(name, [])
        lines += [*(f"* {note}" for note in notes), *([""] if notes else [])]
    if document["not_run"]:
        lines += ["### Not run\n", *(f"* {name}: {why}" for name, why in document["not_run"].items()), ""]
    return "\n".join(lines)


def _markdown(rows: Iterable[Row]) -> str:
    lines = ["| what | value | unit | target | holds |", "|---|---:|---|---|---|"]
    for row in rows:
        lines.append(
            f"| {row['what']} | {row['value']:,} | {row['unit']} | {row['target']} | {_word(row['holds'])} |"
        )
    return "\n".join(lines) + "\n"


def table(document: Document) -> str:
    """Return a result as columns for a terminal."""
    head = ("benchmark", "what", "value", "unit", "target", "holds")
    cells = [
        (
            row["benchmark"],
            row["what"],
            f"{row['value']:,}",
            row["unit"],
            row["target"],
            _word(row["holds"]),
        )
        for row in document["results"]
    ]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [head, *cells]
    ]
    for name, notes in document["notes"].items():
        lines += [f"{name}: {note}" for note in notes]
    lines += [f"{name}: not run: {why}" for name, why in document["not_run"].items()]
    return "\n".join(lines)


def _word(holds: bool | None) -> str:
    return "" if holds is None else ("yes" if holds else "NO")
