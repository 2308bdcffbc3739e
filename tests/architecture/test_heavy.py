"""Heavy libraries are imported on first use, so that serving starts without them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIRST_USE = frozenset({"presidio_analyzer", "spacy", "z3", "onnxruntime"})
"""Whoever needs one of these imports it inside the function that does."""
NEVER_SERVING = FIRST_USE | {"torch", "opacus", "dp_accounting", "numpy", "pandas", "pyarrow", "ray"}

SERVE = """
import json, sys
import guard.app, guard.cli.main, guard.cli.serve, guard.upstream.demo_app, guard.wiring
print(json.dumps(sorted(sys.modules)))
"""


def imported_at_once(text: str) -> Iterator[str]:
    """Yield the libraries that importing a file imports: all but those inside functions."""
    pending: list[ast.AST] = [ast.parse(text)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)


def test_heavy_libraries_are_imported_inside_functions() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): FIRST_USE & set(imported_at_once(path.read_text()))
        for path in (ROOT / "guard").rglob("*.py")
    }
    assert not {path: libraries for path, libraries in found.items() if libraries}


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("import z3", True),
        ("from z3.z3 import Solver", True),
        ("try:\n    import z3\nexcept ImportError:\n    pass", True),
        ("class A:\n    import z3", True),
        ("if True:\n    import z3", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import z3", False),
        ("def f():\n    import z3", False),
        ("class A:\n    async def f(self):\n        import z3", False),
    ],
)
def test_only_imports_on_first_use_are_overlooked(text: str, seen: bool) -> None:
    assert ("z3" in set(imported_at_once(text))) is seen


def test_importing_what_serves_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    modules = set(json.loads(done.stdout))
    assert {"guard.gateway.asgi", "fastapi", "aiohttp", "sqlalchemy"} <= modules, "it did import what serves"
    assert not modules & NEVER_SERVING
