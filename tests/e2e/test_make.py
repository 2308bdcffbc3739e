"""``make run`` as a newcomer meets it: each thing that may be missing has a one-line remedy."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import Service, free_port

ROOT = Path(__file__).resolve().parents[2]
USES_WHAT_IS_INSTALLED = ("-o", ".venv/base")
"""However old it is: tests install nothing."""

FAKE_PYTHON = """\
#!/bin/sh
case "$*" in
{cases}
*) exit 0;;
esac
"""
MAKES_VENV = """\
"-m venv .venv") mkdir -p .venv/bin; printf '#!/bin/sh\\nexit {code}\\n' > .venv/bin/python
    chmod +x .venv/bin/python; exit {made};;"""

MISSING: dict[str, tuple[str, str]] = {
    "an old Python": (
        '*version_info*) exit 1;;\n--version) echo "Python 3.9.2";;',
        "Guard needs Python 3.11 or later; here is Python 3.9.2. Try: make run PYTHON=python3.12",
    ),
    "the module venv": (
        "*'import venv'*) exit 1;;",
        "This Python has no module venv. Run: apt-get install -y python3-venv",
    ),
    "ensurepip": (
        "*'import ensurepip'*) exit 1;;",
        "This Python cannot give an environment its pip. Run: apt-get install -y python3-venv",
    ),
    "pip in the environment": (
        MAKES_VENV.format(code=1, made=0),
        "The environment .venv has no pip. Run: rm -rf .venv && make run",
    ),
    "a venv that can be made": (
        MAKES_VENV.format(code=0, made=1),
        "The environment .venv could not be made; see above, then again: make run",
    ),
}


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a tree with what ``make run`` reads, and no environment."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "requirements").mkdir()
    shutil.copy(ROOT / "requirements" / "base.txt", tmp_path / "requirements" / "base.txt")
    return tmp_path


def _as_typed() -> dict[str, str]:
    """Return the environment without what an outer ``make test`` adds to it."""
    return {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make to its end."""
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env={**_as_typed(), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("what", MISSING)
def test_what_is_missing_is_named_with_its_remedy_in_one_line(bare: Path, what: str) -> None:
    cases, remedy = MISSING[what]
    fake = bare / "fake-python"
    fake.write_text(FAKE_PYTHON.format(cases=cases))
    fake.chmod(0o755)
    done = make(bare, "run", f"PYTHON={fake}")
    assert done.returncode == 2
    said = [line for line in done.stdout.splitlines() if line != "making .venv"]
    assert said == [remedy]
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("make: ***")


def test_a_python_that_is_not_there(bare: Path) -> None:
    done = make(bare, "run", "PYTHON=no-such-python")
    assert done.returncode == 2
    assert done.stdout == "There is no no-such-python here. Run: apt-get install -y python3 python3-venv\n"


def test_an_environment_that_could_not_be_made_leaves_nothing_behind(bare: Path) -> None:
    fake = bare / "fake-python"
    fake.write_text(FAKE_PYTHON.format(cases=MISSING["a venv that can be made"][0]))
    fake.chmod(0o755)
    make(bare, "run", f"PYTHON={fake}")
    assert not (bare / ".venv").exists()


def test_a_taken_port_is_one_line_with_another_one(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = make(
            ROOT, *USES_WHAT_IS_INSTALLED, "run", GUARD_PORT=str(port), GUARD_DATA_DIR=str(tmp_path / "data")
        )
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert first.startswith(f"guard: cannot listen on 127.0.0.1:{port} (Address already in use); try: ")
    assert first.endswith(f"GUARD_PORT={port + 1} make run")
    assert second.startswith("make: ***")
    assert not (tmp_path / "data").exists(), "nothing is made for a service that cannot start"


@pytest.fixture
def running_make(tmp_path: Path) -> Iterator[tuple[Service, dict[str, str]]]:
    """Return a service that ``make run`` starts, and what it runs with; it is ended afterwards."""
    service = Service(data_dir=tmp_path / "data")
    environment = {
        **_as_typed(),
        "GUARD_DATA_DIR": str(service.data_dir),
        "GUARD_PORT": str(service.port),
        "GUARD_DEMO_PORT": str(free_port()),
        "GUARD_WORKERS": "1",
        "OPENAI_API_KEY": "sk-not-a-key",
    }
    yield service, environment
    if service.process and service.process.poll() is None:
        os.killpg(service.process.pid, signal.SIGKILL)
        service.process.wait()


def start(service: Service, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start ``make run`` in a process group of its own, as a terminal does, and wait for it."""
    with service.output.open("wb") as output:
        service.process = subprocess.Popen(
            ["make", *USES_WHAT_IS_INSTALLED, "run"],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + 30
    while not service.ready():
        assert service.process.poll() is None and time.monotonic() < deadline, service.output.read_text()
    return service.process


def test_run_stops_at_ctrl_c_and_a_second_start_reuses_everything(
    running_make: tuple[Service, dict[str, str]],
) -> None:
    service, environment = running_make
    start(service, environment)
    said = service.output.read_text()
    key = said.split("  key         ")[1].split()[0]
    assert f"Guard is at {service.url} (1 worker)" in said
    assert f"  policies    {service.data_dir}/policies" in said
    assert "OPENAI_API_KEY is set but not used; to use it: guard init --provider openai" in said
    assert said.count("OPENAI_API_KEY") == 1 and "api.openai.com" not in said
    before = {path.name: path.read_bytes() for path in service.data_dir.glob("*ey*") if path.is_file()}
    assert interrupted(service) == -signal.SIGINT, "make itself ends as everything at a terminal does"

    start(service, environment)
    said = service.output.read_text()
    assert "key         yours from before" in said and "gk_live_" not in said.replace("YOUR-KEY", "")
    assert before == {
        path.name: path.read_bytes() for path in service.data_dir.glob("*ey*") if path.is_file()
    }
    status, _, answer = service.call("GET", "/v1/models", key=key)
    assert status == 200 and json.loads(answer)["data"]
    own = json.loads((service.data_dir / "serving.json").read_text())["pid"]
    os.kill(own, signal.SIGINT)
    assert service.process and service.process.wait(30) == 0, "guard serve drains and exits 0"


def interrupted(service: Service) -> int:
    """Press Ctrl-C: everything of the terminal gets the signal; return make's exit code."""
    assert service.process is not None
    os.killpg(service.process.pid, signal.SIGINT)
    code = service.process.wait(30)
    assert service.output.read_text().rstrip().endswith("guard: stopped")
    with pytest.raises(OSError, match="refused"):
        service.get("/healthz")
    return code
