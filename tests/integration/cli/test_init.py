"""``guard init``: makes what is missing, never overwrites, says what to do where it cannot."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from guard.registry.configuration import load_configuration
from tests.integration.cli.conftest import Guard

ROOT = Path(__file__).resolve().parents[3]


def content(folder: Path) -> dict[str, bytes]:
    """Return every file that a person or a key depends on."""
    names = ("guard.yaml", "keyring", "policies/screening.yaml", "policies/access.cedar")
    return {name: (folder / name).read_bytes() for name in names}


def test_a_new_directory_gets_everything_and_is_its_owners_alone(guard: Guard, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    done = guard("init", "--data-dir", str(folder), "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert told["created"] == ["guard.yaml", "policies", "keyring", "guard.db", "log.db"]
    assert told["key"].startswith("gk_live_") and told["policies"] == str(folder / "policies")
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("keyring", "guard.db", "log.db", "guard.yaml"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name


def test_a_second_time_changes_nothing(guard: Guard, data_dir: Path) -> None:
    before = content(data_dir)
    done = guard("init")
    assert done.code == 0 and "made      nothing: it was all there" in done.out
    assert "gk_live_" not in done.out
    assert content(data_dir) == before


@pytest.mark.parametrize("missing", ["guard.yaml", "policies", "log.db"])
def test_only_what_is_missing_is_made(guard: Guard, data_dir: Path, missing: str) -> None:
    before = content(data_dir)
    (data_dir / missing).rename(data_dir.parent / "away")
    told = json.loads(guard("init", "--json").out)
    assert told["created"] == [missing] and told["key"] is None
    assert content(data_dir) == before


@pytest.mark.parametrize("pack", ["default", "strict", "pci"])
def test_a_pack_is_copied(guard: Guard, tmp_path: Path, pack: str) -> None:
    folder = tmp_path / "new"
    assert guard("init", "--data-dir", str(folder), "--pack", pack).code == 0
    shipped = ROOT / "policies" / pack / "screening.yaml"
    assert (folder / "policies" / "screening.yaml").read_bytes() == shipped.read_bytes()


def test_another_pack_never_overwrites_policies(guard: Guard, data_dir: Path) -> None:
    before = content(data_dir)
    done = guard("init", "--pack", "strict")
    assert done.code == 2
    assert done.err.endswith(f"move them away first: mv {data_dir}/policies {data_dir}/policies.old\n")
    assert content(data_dir) == before
    assert guard("init", "--pack", "default").code == 0, "the same pack is there already"


def test_a_provider_is_added_once_and_comments_stay(guard: Guard, data_dir: Path) -> None:
    path = data_dir / "guard.yaml"
    told = json.loads(guard("init", "--provider", "openai", "--json").out)
    assert told["created"] == ["provider openai in guard.yaml"]
    catalogue = load_configuration(path).catalogue
    assert list(catalogue.providers)[:2] == ["openai", "demo"]
    assert [model.name for model in catalogue.models][:2] == ["gpt-*", "demo-*"]
    assert "# what callers ask for" in path.read_text()
    again = path.read_bytes()
    assert json.loads(guard("init", "--provider", "openai", "--json").out)["created"] == []
    assert path.read_bytes() == again


def test_a_provider_is_not_added_to_a_file_of_another_shape(guard: Guard, data_dir: Path) -> None:
    path = data_dir / "guard.yaml"
    path.write_text('providers: [{name: demo, dialect: openai, base_url: "builtin:demo"}]\nmodels: []\n')
    before = path.read_bytes()
    done = guard("init", "--provider", "openai")
    assert done.code == 2 and "add by hand:\nproviders:" in done.err and "credential: env:" in done.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--pack", "lax"), "no pack is named 'lax'; there are default, strict, pci"),
        (("--provider", "nobody"), "no provider is known as 'nobody'; known are openai"),
    ],
)
def test_unknown_names_make_nothing(
    guard: Guard, tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    folder = tmp_path / "new"
    done = guard("init", "--data-dir", str(folder), *options)
    assert done.code == 2 and said in done.err
    assert not folder.exists()


def test_a_place_that_cannot_be_written(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = guard("init", "--data-dir", str(tmp_path / "file" / "below"))
    assert done.code == 2 and "choose another place with GUARD_DATA_DIR" in done.err


def test_a_linked_configuration_stays_a_link(guard: Guard, data_dir: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.yaml"
    (data_dir / "guard.yaml").rename(kept)
    os.symlink(kept, data_dir / "guard.yaml")
    kept.write_text(kept.read_text().replace("path: policies", f"path: {data_dir / 'policies'}"))
    kept.write_text(kept.read_text().replace("///guard.db", f"///{data_dir / 'guard.db'}"))
    done = guard("init", "--provider", "openai")
    assert done.code == 0, done.err
    assert (data_dir / "guard.yaml").is_symlink() and "openai" in load_configuration(kept).catalogue.providers
