"""``guard screen``: what the recognizers find in a text, without any server."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from guard.domain.entities import CATALOGUE
from guard.domain.finding import Finding
from guard.screening.engine import Screener, compile_screener

__all__ = ["screen"]


def screen(
    jsonl: Annotated[Path | None, typer.Option(help='Read {"text": …} lines from this file')] = None,
    out: Annotated[Path | None, typer.Option(help="Write them here with their findings")] = None,
    types: Annotated[bool, typer.Option("--types", help="List the entity types and stop")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output")] = False,
) -> None:
    """Find personal data and secrets: guard screen < text.

    Exit code 1 says that something was found.
    """
    if types:
        _types(as_json)
        return
    screener = compile_screener()
    if jsonl is not None:
        if out is None:
            raise typer.BadParameter("--jsonl needs --out")
        raise typer.Exit(1 if _lines(screener, jsonl, out) else 0)
    findings = screener.screen(text := sys.stdin.read())
    if as_json:
        sys.stdout.write(json.dumps([_plain(finding) for finding in findings]) + "\n")
    else:
        _print(text, findings)
    raise typer.Exit(1 if findings else 0)


def _plain(finding: Finding) -> Mapping[str, str | int | float]:
    return {
        "entity_type": finding.entity_type,
        "start": finding.start,
        "end": finding.end,
        "score": finding.score,
        "recognizer": finding.recognizer,
    }


def _types(as_json: bool) -> None:
    if as_json:
        rows = [
            {"name": row.name, "group": row.group, "evidence": row.evidence} for row in CATALOGUE.values()
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    table = Table("type", "group", "evidence", "propagates")
    for row in CATALOGUE.values():
        table.add_row(row.name, row.group, row.evidence, "yes" if row.propagates else "no")
    Console().print(table)


def _lines(screener: Screener, source: Path, out: Path) -> int:
    count = 0
    with source.open(encoding="utf-8") as lines, out.open("w", encoding="utf-8") as target:
        for line in lines:
            row = json.loads(line)
            found = screener.screen(row["text"])
            count += len(found)
            row["findings"] = [_plain(finding) for finding in found]
            target.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _print(text: str, findings: tuple[Finding, ...]) -> None:
    # The terminal is the caller's own: it may show what the caller typed.
    table = Table("type", "from", "to", "score", "recognizer", "text")
    for finding in findings:
        table.add_row(
            finding.entity_type,
            str(finding.start),
            str(finding.end),
            f"{finding.score:.2f}",
            finding.recognizer,
            text[finding.start : finding.end],
        )
    Console().print(table if findings else "nothing found")
