"""The one edit that ``guard demo`` makes: checked before, taken out whatever happens, others' edits kept."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from guard.cli.caller import Answer, Caller
from guard.cli.scenes import RULE, Stage, one_more_rule
from guard.errors import ConfigurationError
from guard.policy.check import SCREENING, load_pack
from guard.storage.installation import open_installation
from guard.storage.truth import read_pack
from tests.e2e.service import free_port

PACKS = Path(__file__).resolve().parents[3] / "policies"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Return the screening policy of a pack of this test alone."""
    shutil.copytree(PACKS / "default", tmp_path / "policies")
    return tmp_path / "policies" / SCREENING


@pytest.mark.parametrize("pack", ["default", "strict", "pci"])
def test_it_is_one_line_more_and_then_as_before(tmp_path: Path, pack: str) -> None:
    shutil.copytree(PACKS / pack, tmp_path / pack)
    path = tmp_path / pack / SCREENING
    before = path.read_text()
    with one_more_rule(path):
        within = path.read_text()
        assert [line for line in within.splitlines() if line.strip() == RULE] == [f"    {RULE}"]
        assert len(within.splitlines()) == len(before.splitlines()) + 1
        load_pack(read_pack(path.parent))
    assert path.read_text() == before


def test_it_is_taken_out_after_an_error_too(policy: Path) -> None:
    before = policy.read_bytes()
    with pytest.raises(KeyboardInterrupt), one_more_rule(policy):
        raise KeyboardInterrupt
    assert policy.read_bytes() == before


def test_what_somebody_writes_meanwhile_stays(policy: Path) -> None:
    before = policy.read_text()
    with one_more_rule(policy):
        policy.write_text(policy.read_text() + "# a remark\n")
    assert policy.read_text() == before + "# a remark\n"


def test_what_a_power_cut_left_is_removed(policy: Path) -> None:
    before = policy.read_text()
    policy.write_text(before.replace("  rules:\n", f"  rules:\n    {RULE}\n"))
    with one_more_rule(policy):
        assert policy.read_text().count(RULE) == 1
    assert policy.read_text() == before


def test_mode_and_link_stay(policy: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.yaml"
    policy.rename(kept)
    kept.chmod(0o640)
    os.symlink(kept, policy)
    with one_more_rule(policy):
        assert RULE in kept.read_text()
    assert policy.is_symlink() and kept.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            "  rules:\n",
            "  rules: []\n  other:\n",
            "has no list of rules to add to; by hand: - {name: guard-demo",
        ),
        ("action: surrogate", "action: surogate", "did you mean 'surrogate'"),
        ("- name: secrets\n", "- name: guard-demo\n", "a second rule is named 'guard-demo'"),
    ],
    ids=["another shape", "broken already", "the name is taken"],
)
def test_where_it_cannot_be_added_nothing_is_written(
    policy: Path, before: str, after: str, said: str
) -> None:
    policy.write_text(policy.read_text().replace(before, after, 1))
    found = policy.read_bytes()
    with pytest.raises(ConfigurationError, match=said), one_more_rule(policy):
        pytest.fail("entered")
    assert policy.read_bytes() == found


class Refused(Caller):
    """A service whose policies block the demo's text."""

    def chat(self, text: str, *, model: str, stream: bool = False) -> Answer:
        """Refuse."""
        return Answer(status=400, headers={}, text="blocked by rule x", code="content_policy_violation")


def test_policies_that_block_the_demos_text_are_told_and_nothing_is_pretended(made: Path) -> None:
    installation = open_installation(made, made / "guard.yaml")
    stage = Stage(installation, Refused("http://127.0.0.1:9", "key"), demo="http://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"got 400 content_policy_violation .*GUARD_DATA_DIR=/tmp/"):
        next(stage.scenes())
    installation.close()


def test_a_service_that_does_not_answer_is_told() -> None:
    with pytest.raises(
        ConfigurationError, match=r"does not answer \(ConnectionRefusedError\); run: guard doctor"
    ):
        Caller(f"http://127.0.0.1:{free_port()}", "key").chat("x", model="demo-echo")
