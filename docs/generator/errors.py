"""Every error with its status and every code with its message, found by reading the source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import guard
from docs.generator.markdown import code, page, table
from guard import errors
from guard.errors import GuardError, LimitExceeded, UpstreamRejected
from guard.gateway.problems import openai_problem

__all__ = ["Raised", "raised", "render"]

PACKAGE = Path(guard.__file__).parent
INTRODUCTION = """
Bodies are in the caller's own format; `code` is what to rely on, messages may change. A decision
of policy or access is always a 400 with `x-should-retry: false`, which every client shows and none
repeats; 401 is only for keys, 429 for limits, 503 for Guard itself (`Retry-After: 5`). A failed
stream never ends cleanly. Messages hold ids, types, counts and positions, never what was sent.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A place that gives an error a code of its own; ``message`` has ``…`` for what varies."""

    code: str
    error: str
    message: str


def _classes() -> list[type[GuardError]]:
    found = [getattr(errors, name) for name in errors.__all__]
    return [one for one in found if inspect.isclass(one) and issubclass(one, GuardError)]


def _status(cls: type[GuardError], code: str) -> str:
    """Return the status that the edge gives the error; its other members do not matter."""
    error = cls.__new__(cls)
    GuardError.__init__(error, "", code=code)
    if isinstance(error, LimitExceeded):
        error.retry_after = 1
    if isinstance(error, UpstreamRejected):
        error.status, error.retry_after = 500, None
    return str(openai_problem(error, reference="").status)


def _first_line(cls: type[GuardError]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0].replace("``", "`")


def raised(package: Path = PACKAGE) -> list[Raised]:
    """Return every code that a call gives to an error, in order of code."""
    trees = [ast.parse(path.read_text()) for path in sorted(package.rglob("*.py"))]
    places = dict(pair for tree in trees for pair in _code_fields(tree))
    found = {one for tree in trees for one in _calls(tree, places)}
    return sorted(found, key=lambda one: (one.code, one.error, one.message))


def _code_fields(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield classes that keep a code to raise later, with the position of that argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            fields = [
                one.target.id
                for one in node.body
                if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
            ]
            if {"message", "code"} <= set(fields):
                yield node.name, fields.index("code")


def _calls(tree: ast.AST, places: dict[str, int]) -> Iterator[Raised]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        place = places.get(node.func.id)
        if place is not None:
            given += node.args[place : place + 1]
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                name = "InvalidRequest" if place is not None else node.func.id
                yield Raised(code=value.value, error=name, message=_message(node, tree))


def _message(call: ast.Call, tree: ast.AST) -> str:
    if not call.args:
        return ""
    first = call.args[0]
    if isinstance(first, ast.JoinedStr):
        parts = (str(part.value) if isinstance(part, ast.Constant) else "…" for part in first.values)
        return "".join(parts)
    if isinstance(first, ast.Name):
        return _constant(first.id, tree)
    return str(first.value) if isinstance(first, ast.Constant) else "…"


def _constant(name: str, tree: ast.AST) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return str(node.value.value) if isinstance(node.value, ast.Constant) else "…"
    return "…"


def render() -> str:
    """Return the page."""
    classes = {cls.__name__: cls for cls in _classes()}
    tree = inspect.getdoc(errors) or ""
    drawing = inspect.cleandoc(tree.partition("::\n\n")[2].partition("\n\n``")[0])
    kinds = [
        (f"`{cls.code}`", name, _status(cls, cls.code), _first_line(cls))
        for name, cls in sorted(classes.items())
    ]
    special = [
        (code([one.code]), one.error, _status(classes[one.error], one.code), one.message)
        for one in raised()
        if one.error in classes
    ]
    return page(
        "Errors",
        INTRODUCTION,
        f"```\n{drawing}\n```",
        "## Kinds",
        table(("code", "error", "status", "means"), kinds),
        "## Codes that say more",
        table(("code", "error", "status", "message"), special),
    )
