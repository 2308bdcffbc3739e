"""``guard policy``: a pack is checked with the place of each fault, and tried on a text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from guard.domain.entities import TOKEN
from tests.integration.cli.conftest import Guard

EMAIL = "maria.gomez@kestrel-labs.com"
PACKS = Path(__file__).resolve().parents[3] / "policies"


@pytest.mark.parametrize("pack", ["default", "strict", "pci"])
def test_shipped_packs_are_valid(guard: Guard, pack: str) -> None:
    done = guard("policy", "check", str(PACKS / pack), "--json")
    assert done.code == 0, done.out
    assert not [row for row in json.loads(done.out) if row["level"] == "error"]


def test_the_pack_in_force_is_the_default_one_to_check(guard: Guard, data_dir: Path) -> None:
    done = guard("policy", "check")
    assert done.code == 0 and done.out.endswith(f"{data_dir / 'policies'}: valid\n")


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("screening.yaml", "action: surrogate", "action: surogate", "did you mean 'surrogate'?"),
        ("screening.yaml", "group: contact", "group: contacts", "did you mean 'contact'?"),
        ("screening.yaml", "spec:", "spec: {", "screening.yaml:"),
        ("access.cedar", "permit", "permitted", "access.cedar"),
        ("tests.yaml", "expect: redact", "expect: block", "'a card that the model made is redacted'"),
    ],
    ids=["operator", "group", "syntax", "cedar", "case"],
)
def test_a_fault_is_named_with_exit_code_1(
    guard: Guard, data_dir: Path, name: str, before: str, after: str, said: str
) -> None:
    path = data_dir / "policies" / name
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    done = guard("policy", "check")
    assert done.code == 1 and said in done.out and done.out.endswith("not valid\n")
    (row, *_) = json.loads(guard("policy", "check", "--json").out)
    assert row["level"] == "error" and said in row["message"]


def test_a_folder_without_a_pack(guard: Guard, tmp_path: Path) -> None:
    done = guard("policy", "check", str(tmp_path / "nowhere"))
    assert done.code == 2 and "run: guard init" in done.err
    (tmp_path / "empty").mkdir()
    done = guard("policy", "check", str(tmp_path / "empty"))
    assert done.code == 1 and "the pack has no screening.yaml" in done.out


def test_explain_names_the_rule_and_shows_what_would_be_sent(guard: Guard) -> None:
    done = guard("policy", "explain", "--text", f"to {EMAIL}", "--json")
    assert done.code == 0
    told = json.loads(done.out)
    (finding,) = told["findings"]
    assert (finding["operator"], finding["rule"], finding["matched"]) == ("surrogate", "contact", ["contact"])
    assert told["allowed"] and EMAIL not in told["protected"] and TOKEN.search(told["protected"])


def test_explain_reads_standard_input_and_tells_people(guard: Guard) -> None:
    done = guard("policy", "explain", "--text", "-", text=f"to {EMAIL}")
    assert done.code == 0 and "contact" in done.out and "Sent on: to EML" in done.out
    nothing = guard("policy", "explain", "--text", "hello")
    assert nothing.out == "Nothing was found; the text would go on as it is.\n"


def test_explain_under_another_pack_and_other_facts(guard: Guard, tmp_path: Path) -> None:
    card = "card 5425 2334 3010 9903"
    done = guard("policy", "explain", "--text", card, "--pack", str(PACKS / "strict"), "--json")
    assert json.loads(done.out)["allowed"] is False
    shutil.copytree(PACKS / "default", tmp_path / "mine")
    path = tmp_path / "mine" / "screening.yaml"
    rule = "- {name: eu, direction: request, when: {group: contact, region: eu}, action: block}\n    "
    path.write_text(path.read_text().replace("- name: secrets", f"{rule}- name: secrets", 1))
    mine = ("policy", "explain", "--text", EMAIL, "--pack", str(tmp_path / "mine"), "--json")
    assert json.loads(guard(*mine).out)["allowed"] is True
    assert json.loads(guard(*mine, "--region", "eu").out)["allowed"] is False


def test_explain_refuses_a_direction_that_does_not_exist(guard: Guard) -> None:
    done = guard("policy", "explain", "--text", "x", "--direction", "sideways")
    assert done.code == 2 and "sideways" in done.err
