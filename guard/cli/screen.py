"""``guard screen``: what the recognizers find in a text, without any server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.options import AsJson, standard_input, table, write_json, write_line
from guard.domain.entities import CATALOGUE
from guard.domain.finding import Finding
from guard.errors import ConfigurationError
from guard.screening.engine import Screener, compile_screener

__all__ = ["screen"]


def screen(
    jsonl: Annotated[Path | None, typer.Option(help='Read {"text": …} lines from this file')] = None,
    out: Annotated[Path | None, typer.Option(help="Write them here with their findings")] = None,
    types: Annotated[bool, typer.Option("--types", help="List the entity types and stop")] = False,
    as_json: AsJson = False,
) -> None:
    """Find personal data and secrets in standard input, or in the lines of a file.

    Exit code 1 says that something was found.

    Example: guard screen < letter.txt
    """
    if types:
        _types(as_json)
        return
    if (jsonl is None) is not (out is None):
        raise typer.BadParameter("--jsonl IN and --out OUT belong together")
    screener = compile_screener()
    if jsonl is not None and out is not None:
        count = _screened_lines(screener, jsonl, out)
        if as_json:
            write_json({"out": str(out), "findings": count})
        raise typer.Exit(1 if count else 0)
    text = standard_input()
    findings = screener.screen(text)
    if as_json:
        write_json([_plain(finding) for finding in findings])
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
    rows = CATALOGUE.values()
    if as_json:
        write_json(
            [
                {
                    "name": row.name,
                    "group": row.group,
                    "evidence": row.evidence,
                    "propagates": row.propagates,
                    "threshold": row.threshold,
                }
                for row in rows
            ]
        )
        return
    table(
        ("type", "group", "evidence", "propagates", "threshold"),
        [
            (row.name, row.group, row.evidence, "yes" if row.propagates else "no", f"{row.threshold:.2f}")
            for row in rows
        ],
    )


def _screened_lines(screener: Screener, source: Path, out: Path) -> int:
    """Write every line with its findings; return how many there are. A half-written file is none."""
    beside = out.with_name(f".{out.name}.new")
    count = 0
    try:
        with source.open(encoding="utf-8") as lines, beside.open("w", encoding="utf-8") as target:
            for row in _rows(lines, source):
                findings = screener.screen(str(row["text"]))
                count += len(findings)
                row["findings"] = [_plain(finding) for finding in findings]
                target.write(json.dumps(row, ensure_ascii=False) + "\n")
        beside.replace(out)
    except OSError as error:
        raise ConfigurationError(f"cannot use {error.filename} ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source} is not UTF-8") from None
    finally:
        beside.unlink(missing_ok=True)
    return count


def _rows(lines: Iterator[str], source: Path) -> Iterator[dict[str, object]]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise ConfigurationError(f'{source}:{number}: no JSON object with a member "text"')
        yield row


def _print(text: str, findings: tuple[Finding, ...]) -> None:
    if not findings:
        write_line("Nothing was found.")
        return
    table(
        ("type", "from", "to", "score", "recognizer", "text"),
        [
            (
                finding.entity_type,
                str(finding.start),
                str(finding.end),
                f"{finding.score:.2f}",
                finding.recognizer,
                # The terminal is the caller's own: it may show what the caller typed.
                repr(text[finding.start : finding.end]),
            )
            for finding in findings
        ],
    )
