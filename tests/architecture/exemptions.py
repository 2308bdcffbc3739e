"""Counts every place where a rule of the house is suspended, and compares with what is listed.

``exemptions.toml`` lists each kind by file and rule with a count and a reason. The count may
only fall, or rise with a line in the commit message. ``python -m
tests.architecture.exemptions --write`` renews the list: reasons are kept, new entries take
the reason that stands behind a ``noqa``, or say that one is missing.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["COMMAND", "KINDS", "LIST", "MISSING", "Key", "Listed", "found", "listed", "written"]

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("exemptions.toml")
COMMAND = ".venv/bin/python -m tests.architecture.exemptions --write"
FOLDERS = ("guard", "tests", "benchmarks", "migrations", "docs")
KINDS = ("noqa", "type-ignore", "any", "skip", "xfail", "sleep", "contract", "long")
MISSING = "REASON MISSING"
LONGEST = 450
"""Lines that a file of the package may have."""

NOQA = re.compile(r"#\s*(?:ruff:\s*)?noqa(?::\s*(?P<rules>[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*))?(?P<rest>.*)")
IGNORE = re.compile(r"#\s*(?:type:\s*ignore|mypy:)(?:\[(?P<rules>[a-z\-,\s]+)\])?(?P<rest>.*)")
REASON = re.compile(r"(?:\(|- )(?P<reason>.+?)\)?\s*$")
SKIPS = {"skip": "skip", "skipif": "skip", "importorskip": "skip", "skipTest": "skip", "xfail": "xfail"}

Key = tuple[str, str, str]
"""Kind, file, rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """How often an exemption may be there, and why."""

    count: int
    reason: str


def found(root: Path = ROOT) -> dict[Key, list[str]]:
    """Return every exemption below ``root`` with the reasons that stand beside it in the code."""
    all_of_them: dict[Key, list[str]] = {}
    for path in _files(root):
        file = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        suspended = (*_comments(text), *_names(tree), *_sleeps(file, tree), *_length(file, text))
        for kind, rule, reason in suspended:
            all_of_them.setdefault((kind, file, rule), []).append(reason)
    for rule in _ignored_imports(root / "pyproject.toml"):
        all_of_them.setdefault(("contract", "pyproject.toml", rule), []).append("")
    return all_of_them


def _files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root).parts
            if not any(part.startswith(".") or part == "__pycache__" for part in parts):
                yield path


def _comments(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield what comments suspend; text in strings is no comment."""
    if not any(word in text for word in ("noqa", "type:", "mypy:")):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        for kind, pattern in (("noqa", NOQA), ("type-ignore", IGNORE)):
            match = pattern.search(token.string)
            if match is None:
                continue
            reason = REASON.search(match["rest"])
            for rule in re.split(r"[,\s]+", (match["rules"] or "all").strip()):
                yield kind, rule, reason["reason"] if reason else ""


def _names(tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield uses of ``Any`` and of what leaves tests out."""
    for node in ast.walk(tree):
        if "Any" in (getattr(node, "id", ""), getattr(node, "attr", "")):
            yield "any", "Any", ""
        elif isinstance(node, ast.Attribute) and node.attr in SKIPS and _is_pytest(node.value):
            yield SKIPS[node.attr], node.attr, ""


def _is_pytest(node: ast.expr) -> bool:
    """Return whether ``node`` is ``pytest``, ``pytest.mark`` or a test case's ``self``."""
    if isinstance(node, ast.Attribute):
        return node.attr == "mark"
    return isinstance(node, ast.Name) and node.id in ("pytest", "mark", "self", "unittest")


def _sleeps(file: str, tree: ast.AST) -> Iterator[tuple[str, str, str]]:
    """Yield where a test waits for time to pass; ``asyncio.sleep(0)`` only lets others run."""
    for node in ast.walk(tree) if file.startswith("tests/") else ():
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (("sleep", "time.sleep", "") for name in node.names if name.name == "sleep")
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep"
        ):
            argument = node.args[0] if node.args else None
            if not (isinstance(argument, ast.Constant) and argument.value == 0):
                yield "sleep", ast.unparse(node.func), ""


def _length(file: str, text: str) -> Iterator[tuple[str, str, str]]:
    if file.startswith("guard/") and text.count("\n") > LONGEST:
        yield "long", f"over {LONGEST} lines", ""


def _ignored_imports(path: Path) -> Iterator[str]:
    options = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("importlinter", {})
    for contract in options.get("contracts", ()):
        for ignored in contract.get("ignore_imports", ()):
            yield f"{contract['id']}: {ignored}"


def listed(text: str) -> dict[Key, Listed]:
    """Read a list. Raises ``ValueError`` for an entry that stands there twice."""
    entries: dict[Key, Listed] = {}
    for kind, rows in tomllib.loads(text).items():
        for row in rows:
            key = (kind, row["file"], row["rule"])
            if key in entries:
                raise ValueError(f"listed twice: {key}")
            entries[key] = Listed(count=row["count"], reason=row["reason"])
    return entries


def written(now: Mapping[Key, list[str]], before: Mapping[Key, Listed]) -> str:
    """Return the list for what is there now, with the reasons that were given before."""
    out = ["# Where a rule is suspended, and why. The counts may only fall. Renew with:", f"# {COMMAND}"]
    for kind, file, rule in sorted(now, key=lambda key: (KINDS.index(key[0]), key[1:])):
        reasons = now[kind, file, rule]
        old = before.get((kind, file, rule))
        beside = "; ".join(dict.fromkeys(reason for reason in reasons if reason))
        reason = old.reason if old and old.reason != MISSING else beside or MISSING
        out += ["", f"[[{kind}]]"]
        out += [
            f"{name} = {json.dumps(value, ensure_ascii=False)}"
            for name, value in (("file", file), ("rule", rule), ("count", len(reasons)), ("reason", reason))
        ]
    return "\n".join(out) + "\n"


def main() -> int:
    """Renew the list, or print what it would be."""
    before = listed(LIST.read_text(encoding="utf-8")) if LIST.exists() else {}
    text = written(found(), before)
    if "--write" in sys.argv[1:]:
        LIST.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 1 if MISSING in text else 0


if __name__ == "__main__":
    sys.exit(main())
