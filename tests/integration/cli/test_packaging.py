"""What is shipped: the wheel runs on its own, the image's recipe names what exists, dependencies are told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SOURCES = (
    "guard",
    "migrations",
    "policies",
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
)
SHIPPED = ("migrations", "policies")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from a copy of the tree, without any network."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tree / name)
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(out), str(tree)], check=True, timeout=120)
    (built,) = out.glob("guard-*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel's content as it would lie in site-packages."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def files(folder: Path) -> set[str]:
    """Return every file below a folder, but no compiled ones."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_the_wheel_holds_every_policy_and_migration(unpacked: Path, name: str) -> None:
    assert files(unpacked / "guard" / "_shipped" / name) == files(ROOT / name) != set()


def test_the_wheel_holds_the_package_and_nothing_else(unpacked: Path) -> None:
    modules = {path for path in files(unpacked / "guard") if not path.startswith("_shipped/")}
    assert {path for path in files(ROOT / "guard") if path.endswith(".py")} <= modules
    assert {path.name.split("-")[0] for path in unpacked.iterdir()} == {"guard"}


def test_the_wheel_alone_makes_and_checks_an_installation(unpacked: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(unpacked), "GUARD_DATA_DIR": str(tmp_path / "data")}

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert run("-c", "import guard; print(guard.__file__)").startswith(str(unpacked))
    made = json.loads(run("-m", "guard.cli.main", "init", "--pack", "strict", "--json"))
    assert made["key"].startswith("gk_live_")
    pack = tmp_path / "data" / "policies" / "screening.yaml"
    assert pack.read_bytes() == (ROOT / "policies" / "strict" / "screening.yaml").read_bytes()
    assert "valid" in run("-m", "guard.cli.main", "policy", "check")
    (databases,) = [
        line
        for line in json.loads(run("-m", "guard.cli.main", "doctor", "--port", "0", "--json"))
        if line["check"] == "databases"
    ]
    assert databases["ok"]


def test_the_command_is_an_entry_point(unpacked: Path) -> None:
    (points,) = unpacked.glob("guard-*.dist-info/entry_points.txt")
    assert "guard = guard.cli.main:main" in points.read_text()


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, continued lines joined."""
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_the_image_copies_what_exists_and_runs_as_nobody_special() -> None:
    found = instructions()
    for word, rest in found:
        if word == "COPY":
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists(), source
    assert [rest for word, rest in found if word == "USER"][-1] not in ("root", "0")
    assert found[-1] == ("CMD", '["guard", "serve"]')
    (check,) = [rest for word, rest in found if word == "HEALTHCHECK"]
    assert "/readyz" in check
    variables = dict(pair.split("=", 1) for word, rest in found if word == "ENV" for pair in rest.split())
    volumes = [rest for word, rest in found if word == "VOLUME"]
    assert variables["GUARD_HOST"] == "0.0.0.0" and volumes == [variables["GUARD_DATA_DIR"]]


def test_what_the_image_copies_reaches_the_builder() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for word, rest in instructions() if word == "COPY" for source in rest.split()[:-1]}
    assert ignored[0] == "*" and copied == kept


def test_compose_keeps_the_data_in_a_volume_and_listens_on_this_machine_alone() -> None:
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    (gateway,) = document["services"].values()
    assert gateway["build"] == "."
    assert gateway["environment"]["GUARD_HOST"] == "0.0.0.0"
    assert gateway["ports"] == ["127.0.0.1:8080:8080"]
    (mounted,) = gateway["volumes"]
    volume, place = mounted.split(":")
    assert volume in document["volumes"]
    assert ("VOLUME", place) in instructions()


def test_every_direct_dependency_is_told_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for group in project["optional-dependencies"].values() for name in group]
    wanted = {re.split(r"[\[<>=]", name)[0] for name in (*project["dependencies"], *extras)} - {"guard"}
    told = (ROOT / "docs" / "dependencies.md").read_text()
    rows = {line.split("|")[1].strip() for line in told.splitlines() if line.startswith("| ")}
    assert rows - {"dependency"} == wanted
