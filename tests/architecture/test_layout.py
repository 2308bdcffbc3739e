"""The shape of the tree: packages, sizes, names, and what tests may not use."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VAGUE = ("util", "utils", "helper", "helpers", "common", "manager", "misc", "base")
TREES = ("guard", "tests")


def sources(tree: str) -> list[Path]:
    """Return the Python files below a folder."""
    return sorted(path for path in (ROOT / tree).rglob("*.py") if "__pycache__" not in path.parts)


def unmarked(files: list[Path], root: Path) -> set[Path]:
    """Return the folders from ``root`` down to the files that are no packages."""
    folders = {folder for path in files for folder in path.parents if folder.is_relative_to(root)}
    return {folder for folder in folders if not (folder / "__init__.py").is_file()}


@pytest.mark.parametrize("tree", TREES)
def test_every_folder_is_a_package_or_the_contracts_would_not_see_it(tree: str) -> None:
    assert not unmarked(sources(tree), ROOT / tree)


def test_a_folder_that_is_no_package_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "__init__.py").touch()
    (tmp_path / "a" / "b" / "c.py").touch()
    assert unmarked([tmp_path / "a" / "b" / "c.py"], tmp_path) == {tmp_path / "a", tmp_path / "a" / "b"}


@pytest.mark.parametrize("tree", TREES)
def test_no_file_folder_or_class_has_a_name_that_says_nothing(tree: str) -> None:
    vague = []
    for path in sources(tree):
        words = path.relative_to(ROOT).with_suffix("").as_posix().lower().replace("/", "_").split("_")
        vague += [path for word in words if word in VAGUE]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.lower().endswith(VAGUE[:-1]):
                vague.append(path)
    assert not vague


def offences(text: str) -> Iterator[str]:
    """Yield what a test must not do: pretend with mocks, wait for time to pass."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any("mock" in name.name for name in node.names):
            yield "mock"
        elif isinstance(node, ast.ImportFrom):
            if "mock" in (node.module or "") or any(name.name == "mock" for name in node.names):
                yield "mock"
            if node.module == "time" and any(name.name == "sleep" for name in node.names):
                yield "sleep"
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "sleep"
        ):
            argument = node.args[0] if node.args else None
            if not (isinstance(argument, ast.Constant) and argument.value == 0):
                yield "sleep"


def test_tests_neither_sleep_nor_mock() -> None:
    found = {path.relative_to(ROOT).as_posix(): set(offences(path.read_text())) for path in sources("tests")}
    assert not {path: what for path, what in found.items() if what}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import unittest.mock", "mock"),
        ("from unittest import mock", "mock"),
        ("from unittest.mock import Mock", "mock"),
        ("from time import sleep", "sleep"),
        ("import time\ntime.sleep(0.1)", "sleep"),
        ("import asyncio\nasync def f(): await asyncio.sleep(1)", "sleep"),
    ],
)
def test_an_offence_is_noticed(text: str, what: str) -> None:
    assert set(offences(text)) == {what}


def test_letting_others_run_is_no_sleep() -> None:
    assert not set(offences("import asyncio\nasync def f(): await asyncio.sleep(0)"))
