"""What docs/attacks.md says is kept by a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "attacks.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)?)`", PAGE)))
ROW = re.compile(r"^\| [^-|*].* \|$", re.MULTILINE)
LEAST = 25


@pytest.mark.parametrize("named", NAMED)
def test_a_named_test_exists(named: str) -> None:
    path, _, name = named.partition("::")
    assert f"def {name}" in (ROOT / path).read_text()


@pytest.mark.parametrize("issue", ["gate", "dataset-to-model"])
def test_every_attack_names_its_test(issue: str) -> None:
    tried = PAGE.partition(f"## {issue}\n")[2].partition("### ")[0]
    rows = [row for row in ROW.findall(tried) if not row.startswith("| attack")]
    assert len(rows) >= LEAST
    assert [row for row in rows if "`tests/" not in row] == []
