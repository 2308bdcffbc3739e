"""policy.ordinary on files made here: what it lists, and that it never shows a value."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

from benchmarks.gateway import values
from benchmarks.policy.ordinary import ordinary


def _file(folder: Path, name: str, texts: list[str]) -> Path:
    path = folder / name
    lines = [json.dumps({"text": text}) if ".jsonl" in name else text for text in texts]
    path.write_bytes(gzip.compress("".join(line + "\n" for line in lines).encode()))
    return path


def test_each_change_is_listed_by_file_line_type_and_rule(tmp_path: Path) -> None:
    value = values.email(random.Random(5))
    path = _file(tmp_path, "prompts.jsonl.gz", ["Write a poem.", f"Write to {value}.", "1 + 1?", "Why?"])
    outcome = ordinary([path], say=print)
    assert [measured.value for measured in outcome.measured] == [25.0]
    assert outcome.notes == ("prompts.jsonl.gz, line 2: EMAIL_ADDRESS, rule contact",)
    assert value not in repr(outcome)


def test_a_prompt_with_two_reasons_counts_once(tmp_path: Path) -> None:
    source = random.Random(6)
    text = f"{values.email(source)} and {values.iban(source)}"
    outcome = ordinary([_file(tmp_path, "both.jsonl.gz", [text, "nothing"])], say=print)
    assert [measured.value for measured in outcome.measured] == [50.0]
    assert len(outcome.notes) == 2


def test_a_large_harmless_file_does_not_hide_a_bad_one(tmp_path: Path) -> None:
    value = values.email(random.Random(7))
    bad = _file(tmp_path, "bad.jsonl.gz", [value])
    good = _file(tmp_path, "good.txt.gz", ["a word"] * 100)
    outcome = ordinary([bad, good], say=print)
    assert {measured.case: measured.value for measured in outcome.measured} == {
        "bad.jsonl.gz": 100.0,
        "good.txt.gz": 0.0,
    }
