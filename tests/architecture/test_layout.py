"""The shape of the tree: packages, names, and what tests may not use."""

from __future__ import annotations

import ast
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


def mocks(text: str) -> bool:
    """Return whether a test pretends with mocks instead of a fake that is written out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import) and any("mock" in name.name for name in node.names):
            return True
        if isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(name.name for name in node.names)]
            if any(name.rpartition(".")[2] == "mock" for name in names):
                return True
    return False


def test_tests_use_fakes_that_are_written_out() -> None:
    assert not [path for path in sources("tests") if mocks(path.read_text())]


@pytest.mark.parametrize(
    "text",
    ["import unittest.mock", "from unittest import mock", "from unittest.mock import Mock", "import mock"],
)
def test_a_mock_is_noticed(text: str) -> None:
    assert mocks(text)
