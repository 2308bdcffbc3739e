"""Whatever is missing or broken: one line that says what to do, exit code 2, no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.generator.commands import commands
from tests.integration.cli.conftest import Guard

EXCHANGE = "01a20e77-3ba9-7ed9-94ad-7b692b99df13"
ON_AN_INSTALLATION: dict[str, tuple[str, ...]] = {
    "keys issue": ("--application", "crm"),
    "keys list": (),
    "keys rotate": (EXCHANGE,),
    "keys revoke": (EXCHANGE,),
    "audit fsck": (),
    "audit export": ("--out", "never.zip"),
    "log tail": (),
    "explain": (EXCHANGE,),
}
"""Commands that open the whole installation, with what they need beside it."""

READS_CONFIGURATION = {**ON_AN_INSTALLATION, "policy check": (), "policy explain": ("--text", "x")}


@pytest.mark.parametrize("name", READS_CONFIGURATION)
def test_without_a_data_directory(guard: Guard, tmp_path: Path, name: str) -> None:
    done = guard(*name.split(), *READS_CONFIGURATION[name], "--data-dir", str(tmp_path / "none"))
    assert (done.code, done.out) == (2, "")
    assert (
        done.err
        == f"guard: cannot read {tmp_path}/none/guard.yaml (No such file or directory); run: guard init\n"
    )
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", [*READS_CONFIGURATION, "init"])
def test_a_broken_configuration_is_told_with_its_place(guard: Guard, data_dir: Path, name: str) -> None:
    path = data_dir / "guard.yaml"
    path.write_text(path.read_text().replace("targets:", "target:", 1))
    done = guard(*name.split(), *READS_CONFIGURATION.get(name, ()))
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"guard: {path}:") and "targets" in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("name", ON_AN_INSTALLATION)
@pytest.mark.parametrize(
    ("missing", "said"),
    [("keyring", "no keyring at "), ("guard.db", "no database at "), ("log.db", "no database at ")],
)
def test_a_missing_part_is_named(guard: Guard, data_dir: Path, name: str, missing: str, said: str) -> None:
    (data_dir / missing).unlink()
    done = guard(*name.split(), *ON_AN_INSTALLATION[name])
    assert (done.code, done.out) == (2, "")
    assert done.err == f"guard: {said}{data_dir / missing}; run: guard init\n"
    assert not (data_dir / missing).exists(), "an empty one would only hide it"


def test_a_database_of_an_older_version_is_told_so(guard: Guard, data_dir: Path) -> None:
    for path in data_dir.glob("guard.db*"):
        path.unlink()
    (data_dir / "guard.db").write_bytes(b"")
    done = guard("keys", "list")
    assert done.code == 2 and done.err.endswith("run: guard doctor\n")


@pytest.mark.parametrize("name", ["nonsense", "keys nonsense", "keys list --nonsense"])
def test_what_does_not_exist_is_used_wrongly(guard: Guard, name: str) -> None:
    done = guard(*name.split())
    assert done.code == 2 and "nonsense" in done.err


@pytest.mark.parametrize("name", sorted(commands()))
def test_help_fits_a_terminal_and_ends_with_an_example(guard: Guard, name: str) -> None:
    done = guard(*name.split(), "--help")
    assert done.code == 0
    assert f"Example: guard {name.split(maxsplit=1)[0]}" in " ".join(done.out.split())
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_a_setting_that_is_none_is_named(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARD_PORT", "eighty")
    done = guard("keys", "list")
    assert done.code == 2 and done.err.startswith("guard: GUARD_PORT: ")
