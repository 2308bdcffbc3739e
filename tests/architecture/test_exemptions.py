"""Rules are suspended only where the list says so, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.exemptions import COMMAND, LIST, MISSING, Key, found, listed, written

SAMPLE = """
from typing import Any
import typing
import pytest

def f(x: Any) -> typing.Any:  # noqa: ANN401, D103 (the driver's own types)
    return x.y  # type: ignore[attr-defined]

@pytest.mark.xfail
def test_a() -> None:
    pytest.skip("no")
    text = "# noqa: E501 is text here"
    pytest.importorskip("nothing")
"""

SLOW = """
import asyncio, time
from time import sleep
time.sleep(0.1)
async def f(): await asyncio.sleep(1)
async def g(): await asyncio.sleep(0)
"""


@pytest.fixture(scope="module")
def now() -> dict[Key, list[str]]:
    """Return what is there; it takes a while to read everything."""
    return found()


def test_every_exemption_is_listed_with_its_count(now: dict[Key, list[str]]) -> None:
    known = listed(LIST.read_text())
    more = {
        key: len(reasons)
        for key, reasons in now.items()
        if len(reasons) > (known[key].count if key in known else 0)
    }
    assert not more, f"new exemptions: remove them, or give the reason after: {COMMAND}"
    fewer = {key for key, entry in known.items() if len(now.get(key, ())) < entry.count}
    assert not fewer, f"there are fewer than listed, which is good; lower the counts with: {COMMAND}"


def test_every_exemption_has_a_reason() -> None:
    missing = [key for key, entry in listed(LIST.read_text()).items() if entry.reason in ("", MISSING)]
    assert not missing, f"write the reasons into {LIST.name}"


def test_contracts_have_no_exceptions(now: dict[Key, list[str]]) -> None:
    assert not [key for key in now if key[0] == "contract"]


def test_nothing_is_overlooked(tmp_path: Path) -> None:
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "sample.py").write_text(SAMPLE)
    (tmp_path / "guard" / "long.py").write_text("x = 1\n" * 451)
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.importlinter.contracts]]\nid = "order"\nignore_imports = ["guard.a -> guard.b"]\n'
    )
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_slow.py").write_text(SLOW)
    counts = {key: len(reasons) for key, reasons in found(tmp_path).items()}
    sample = "guard/sample.py"
    assert counts == {
        ("noqa", sample, "ANN401"): 1,
        ("noqa", sample, "D103"): 1,
        ("type-ignore", sample, "attr-defined"): 1,
        ("any", sample, "Any"): 2,
        ("skip", sample, "skip"): 1,
        ("skip", sample, "importorskip"): 1,
        ("xfail", sample, "xfail"): 1,
        ("sleep", "tests/test_slow.py", "time.sleep"): 2,
        ("sleep", "tests/test_slow.py", "asyncio.sleep"): 1,
        ("long", "guard/long.py", "over 450 lines"): 1,
        ("contract", "pyproject.toml", "order: guard.a -> guard.b"): 1,
    }


def test_writing_keeps_reasons_and_marks_those_that_are_missing() -> None:
    given = {
        ("noqa", "a.py", "S603"): ["beside it"],
        ("any", "a.py", "Any"): [""],
        ("noqa", "b.py", "E501"): ["new"],
    }
    before = listed(
        written({("noqa", "a.py", "S603"): ["as it was"], ("skip", "gone.py", "skip"): ["x"]}, {})
    )
    after = listed(written(given, before))
    assert {key: entry.reason for key, entry in after.items()} == {
        ("noqa", "a.py", "S603"): "as it was",
        ("any", "a.py", "Any"): MISSING,
        ("noqa", "b.py", "E501"): "new",
    }
