"""The mark of files: it changes with what is in them, and only then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guard.cli.init import prepare
from guard.errors import ConfigurationError
from guard.storage.installation import Installation, open_installation
from guard.storage.truth import YOUNG_NANOSECONDS, FileTruth, read_pack

SECOND = 1_000_000_000


@dataclass
class House:
    """A data directory, its truth and a clock."""

    folder: Path
    installation: Installation
    now: int = 1_800_000_000 * SECOND

    def __post_init__(self) -> None:
        self.truth = FileTruth(
            self.installation.configuration,
            self.installation.keys,
            self.installation.models,
            builtin={"builtin:demo": "http://127.0.0.1:1/v1"},
            clock=lambda: self.now,
        )
        self.screening = self.folder / "policies" / "screening.yaml"
        self.write(self.screening.read_bytes())

    def write(self, content: bytes, *, modified: int | None = None) -> None:
        """Change the policy; its time of modification is now, unless told."""
        self.screening.write_bytes(content)
        moment = self.now if modified is None else modified
        os.utime(self.screening, ns=(moment, moment))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.delenv("GUARD_KEYRING", raising=False)
    prepare(tmp_path / "data")
    opened = open_installation(tmp_path / "data", tmp_path / "data" / "guard.yaml")
    yield House(tmp_path / "data", opened)
    opened.close()


def test_the_mark_stays_while_nothing_changes_and_when_a_file_is_only_touched(house: House) -> None:
    first = house.truth.governance_version()
    house.now += 10 * SECOND
    os.utime(house.screening, ns=(house.now, house.now))
    assert house.truth.governance_version() == first


def test_the_mark_follows_the_content_there_and_back(house: House) -> None:
    before, content = house.truth.governance_version(), house.screening.read_bytes()
    house.now += SECOND
    house.write(content + b"\n# changed\n")
    changed = house.truth.governance_version()
    house.now += SECOND
    house.write(content)
    assert changed != before
    assert house.truth.governance_version() == before


def test_a_second_change_of_the_same_size_within_one_tick_is_noticed(house: House) -> None:
    """Neither time nor size tell the two apart, so young files are read each time."""
    content = house.screening.read_bytes()
    house.write(content + b"# a\n")
    first = house.truth.governance_version()
    house.write(content + b"# b\n")
    assert house.truth.governance_version() != first


def test_a_file_that_is_old_enough_is_not_read_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.now += YOUNG_NANOSECONDS * 2
    for path in house.folder.rglob("*"):
        os.utime(path, ns=(SECOND, SECOND))
    first = house.truth.governance_version()

    def unread(path: Path) -> bytes:
        raise AssertionError(f"{path} was read")

    monkeypatch.setattr(Path, "read_bytes", unread)
    assert house.truth.governance_version() == first


def test_a_file_that_is_gone_and_back_is_noticed_both_times(house: House) -> None:
    first, content = house.truth.governance_version(), house.screening.read_bytes()
    house.screening.unlink()
    gone = house.truth.governance_version()
    house.write(content)
    assert gone != first
    assert house.truth.governance_version() == first


def test_the_files_are_compiled_as_they_are(house: House) -> None:
    governance = house.truth.governance()
    assert governance.catalogue.providers["demo"].base_url == "http://127.0.0.1:1/v1"
    assert governance.policy.digest.startswith("sha256:")


def test_a_policy_that_is_broken_is_refused_with_its_place(house: House) -> None:
    house.write(b"kind: [")
    with pytest.raises(ConfigurationError, match=r"screening\.yaml"):
        house.truth.governance()


def test_a_change_that_takes_a_restart_is_refused_with_its_name(house: House) -> None:
    path = house.folder / "guard.yaml"
    path.write_text(path.read_text().replace("sqlite:///guard.db", "sqlite:///elsewhere.db"))
    with pytest.raises(ConfigurationError, match="database changed, which takes a restart"):
        house.truth.governance()


def test_a_folder_without_policies_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="guard init"):
        read_pack(tmp_path / "nowhere")
