"""``guard screen``: what is found in a text, in lines of JSON, and the list of types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from guard.domain.entities import CATALOGUE
from tests.integration.cli.conftest import Guard

EMAIL = "maria.gomez@kestrel-labs.com"


def test_a_finding_is_exit_code_1_and_its_place_is_told(guard: Guard) -> None:
    done = guard("screen", "--json", text=f"to {EMAIL}\n")
    assert done.code == 1
    (found,) = json.loads(done.out)
    assert set(found) == {"entity_type", "start", "end", "score", "recognizer"}
    assert (found["entity_type"], found["start"], found["end"]) == ("EMAIL_ADDRESS", 3, 3 + len(EMAIL))


def test_people_see_what_they_typed(guard: Guard) -> None:
    done = guard("screen", text=f"to {EMAIL}")
    assert done.code == 1 and f"'{EMAIL}'" in done.out and "EMAIL_ADDRESS" in done.out


@pytest.mark.parametrize("text", ["", "meet in Paris on Friday"])
def test_nothing_found_is_exit_code_0(guard: Guard, text: str) -> None:
    assert guard("screen", text=text).out == "Nothing was found.\n"
    done = guard("screen", "--json", text=text)
    assert (done.code, done.out) == (0, "[]\n")


def test_lines_come_back_with_their_findings_and_their_other_members(guard: Guard, tmp_path: Path) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(f'{{"text": "{EMAIL}", "id": 7}}\n{{"text": "你好"}}\n', encoding="utf-8")
    done = guard("screen", "--jsonl", str(source), "--out", str(out), "--json")
    assert done.code == 1 and done.json == {"out": str(out), "findings": 1}
    first, second = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    assert first["id"] == 7 and first["findings"][0]["end"] == len(EMAIL)
    assert second == {"text": "你好", "findings": []}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"text": "fine"}\n{"text": 7}\n', ':2: no JSON object with a member "text"'),
        (b"[]\n", ':1: no JSON object with a member "text"'),
        (b"{\n", ':1: no JSON object with a member "text"'),
        (b"\xff\n", " is not UTF-8"),
    ],
    ids=["a number", "a list", "no JSON", "no UTF-8"],
)
def test_a_line_that_cannot_be_read_is_named_and_nothing_is_left(
    guard: Guard, tmp_path: Path, content: bytes, said: str
) -> None:
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(content)
    done = guard("screen", "--jsonl", str(source), "--out", str(out))
    assert (done.code, done.err) == (2, f"guard: {source}{said}\n")
    assert {path.name for path in tmp_path.iterdir()} == {"guard-data", "in.jsonl"}


def test_a_file_that_is_not_there(guard: Guard, tmp_path: Path) -> None:
    missing = tmp_path / "missing.jsonl"
    done = guard("screen", "--jsonl", str(missing), "--out", str(tmp_path / "out.jsonl"))
    assert (done.code, done.err) == (2, f"guard: cannot use {missing} (No such file or directory)\n")
    assert guard("screen", "--jsonl", str(missing)).code == 2


def test_every_type_is_listed(guard: Guard) -> None:
    done = guard("screen", "--types", "--json")
    assert done.code == 0
    assert [row["name"] for row in json.loads(done.out)] == list(CATALOGUE)
    shown = guard("screen", "--types").out
    assert all(name in shown for name in CATALOGUE)
