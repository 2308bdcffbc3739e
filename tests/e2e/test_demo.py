"""``guard demo`` against a real service: every scene shows what it says, and leaves no trace."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from guard.cli.scenes import APPLICATION, RULE, SENT, VALUES
from guard.domain.entities import TOKEN
from tests.e2e.service import GUARD, Service, run_guard

ROOT = Path(__file__).resolve().parents[2]
EMAIL, CARD, KEY = VALUES.values()


@pytest.fixture(scope="module")
def played(service: Service) -> list[dict[str, object]]:
    """Return the scenes of one run."""
    done = run_guard(service.data_dir, "demo", "--json")
    assert done.returncode == 0, done.stderr
    scenes: list[dict[str, object]] = json.loads(done.stdout)
    return scenes


def scene(played: list[dict[str, object]], number: int) -> tuple[list[str], list[str], str]:
    """Return a scene's headings, its texts, and its notes as one text."""
    columns, notes = played[number - 1]["columns"], played[number - 1]["notes"]
    assert isinstance(columns, dict) and isinstance(notes, list)
    return list(columns), list(columns.values()), "\n".join(notes)


def test_the_model_gets_surrogates_and_the_caller_gets_values_back(played: list[dict[str, object]]) -> None:
    headings, (sent, got, back), notes = scene(played, 1)
    assert headings == ["you sent", "the model got", "you got back"]
    assert sent == SENT and EMAIL in sent and CARD in sent and KEY in sent
    assert not any(value in got for value in VALUES.values())
    assert len(TOKEN.findall(got)) == 3
    assert "meet in Paris on Friday" in got and "meet in Paris on Friday" in back
    assert EMAIL in back and CARD in back and KEY not in back
    pieces, milliseconds = re.findall(r"in (\d+) pieces; Guard itself took (\d+\.\d) ms", notes)[0]
    assert int(pieces) > 1 and float(milliseconds) > 0
    assert "AWS_ACCESS_KEY=1,CREDIT_CARD=1,EMAIL_ADDRESS=1" in notes
    assert "came back: the e-mail, the card" in notes and "stays a surrogate: the key" in notes


def test_an_injected_answer_carries_nothing_to_its_address(played: list[dict[str, object]]) -> None:
    _, (made, back), notes = scene(played, 2)
    assert "https://collector.example/" in made and len(TOKEN.findall(made)) > 3
    addresses = [line for line in back.splitlines() if "collector.example" in line]
    assert addresses and all(TOKEN.search(line) for line in addresses)
    assert not any(value in line for line in addresses for value in VALUES.values())
    assert EMAIL in back.splitlines()[0], "in prose it comes back"
    assert "values in addresses of collector.example: 0 of 3" in notes


def test_explain_tells_why(played: list[dict[str, object]]) -> None:
    (command,), (told,), _ = scene(played, 3)
    assert re.fullmatch(r"\$ guard explain [0-9a-f-]{36}", command)
    for words in (
        f"Application {APPLICATION} asked for demo-inject",
        "1 AWS_ACCESS_KEY, 1 CREDIT_CARD, 1 EMAIL_ADDRESS",
        "by rules contact, payment, secrets",
        "Recorded before anything left: record ",
        "Sent to demo in region local",
        "left as surrogates, where a value would have got out",
    ):
        assert words in told


def test_a_flipped_byte_and_a_forgery_are_invalid(played: list[dict[str, object]]) -> None:
    headings, (whole, flipped, forged), _ = scene(played, 4)
    assert whole.startswith("valid    log default: ")
    assert re.fullmatch(r"byte \d+ of \d+ flipped", headings[1])
    assert flipped.startswith("INVALID  ") and "logs/default/entries.jsonl" in flipped
    assert forged.startswith("INVALID  log default")


def test_one_line_of_a_policy_makes_a_400_and_is_gone_again(
    service: Service, played: list[dict[str, object]]
) -> None:
    headings, (rule, sent, back), notes = scene(played, 5)
    assert rule == RULE and sent == SENT
    assert headings[2] == "you got back (400)"
    assert back.startswith(f"content_policy_violation: blocked by policy rule {APPLICATION}: 1 EMAIL_ADDRESS")
    assert "is out again: 200" in notes
    policy = service.data_dir / "policies" / "screening.yaml"
    assert policy.read_bytes() == (ROOT / "policies" / "default" / "screening.yaml").read_bytes()


def test_the_demos_key_ends_with_it(service: Service, played: list[dict[str, object]]) -> None:
    rows = json.loads(run_guard(service.data_dir, "keys", "list", "--all", "--json").stdout)
    states = {row["state"] for row in rows if row["application"] == APPLICATION}
    assert played and states == {"revoked"}


def test_people_see_the_scenes_side_by_side(service: Service) -> None:
    done = subprocess.run(
        [*GUARD, "demo"],
        env={**os.environ, "GUARD_DATA_DIR": str(service.data_dir), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "one rule" in lines[0] and "screening.yaml" in lines[0], "the edit is announced first"
    assert any(re.search(r"you sent .* the model got .* you got back", line) for line in lines)
    assert [line[0] for line in lines if re.match(r"[1-5]\. ", line)] == ["1", "2", "3", "4", "5"]


def test_without_a_service_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = run_guard(tmp_path, "demo")
    assert done.returncode == 2
    assert done.stderr == f"guard: nothing serves {tmp_path}; in another terminal: make run\n"
