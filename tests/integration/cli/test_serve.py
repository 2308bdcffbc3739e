"""``guard serve`` as a family of processes: it claims its directory, and nobody outlives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.cli.processes import Child, Supervisor
from guard.cli.running import Running, announce, claim, running
from guard.errors import ConfigurationError
from tests.e2e.service import GUARD, Service, run_guard, stop_quietly

CHILDREN = {"demo-model", "model-server", "serve-worker", "worker"}
SERVICE = Running(address="http://127.0.0.1:9", demo=None, pid=7)


@pytest.fixture
def service(data_dir: Path) -> Iterator[Service]:
    """Return a running service of this test alone."""
    started = Service(data_dir=data_dir)
    started.start()
    yield started
    stop_quietly(started)


@pytest.fixture(scope="module")
def shared(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a running service that nobody harms."""
    folder = tmp_path_factory.mktemp("shared") / "guard-data"
    shutil.copytree(made, folder)
    started = Service(data_dir=folder)
    started.start()
    yield started
    assert started.stop() == 0


def children(parent: int) -> set[int]:
    """Return the processes that ``parent`` started, from the kernel's table."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[1]) == parent and words[0] != "Z":
            found.add(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be read does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: set[int], seconds: float = 30) -> bool:
    """Wait until none of them is left."""
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
    return True


def test_a_killed_parent_leaves_nobody(service: Service) -> None:
    assert service.process is not None
    family = children(service.process.pid)
    assert len(family) >= 3, "two workers, the demo model, and what the configuration asks for"
    os.kill(service.process.pid, signal.SIGKILL)
    service.process.wait()
    assert gone(family)
    assert running(service.data_dir) is None, "its claim ended with it"


def test_a_killed_parent_can_be_followed_by_another_at_once(service: Service) -> None:
    assert service.process is not None
    family = children(service.process.pid)
    os.kill(service.process.pid, signal.SIGKILL)
    service.process.wait()
    assert gone(family)
    service.start()
    assert service.ready() and service.stop() == 0


@pytest.mark.parametrize("name", ["serve-worker", "demo-model"])
def test_a_child_whose_parent_is_gone_already_does_not_begin(data_dir: Path, name: str) -> None:
    read, write = os.pipe()
    done = subprocess.run(
        [*GUARD, name, "--descriptor", str(read), "--parent", "1"],
        env={**os.environ, "GUARD_DATA_DIR": str(data_dir)},
        pass_fds=[read],
        capture_output=True,
        timeout=30,
        check=False,
    )
    os.close(read)
    os.close(write)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_killed_child_is_replaced(service: Service) -> None:
    assert service.process is not None
    before = children(service.process.pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while len(children(service.process.pid) - before) < len(before) or not service.ready():
        assert time.monotonic() < deadline
    assert service.stop() == 0


def test_a_second_service_on_the_same_directory_is_refused(shared: Service) -> None:
    said = f"guard serve runs on {shared.data_dir} already at {shared.url} (process "
    done = run_guard(shared.data_dir, "serve", "--port", "0")
    assert done.returncode == 2 and said in done.stderr
    assert done.stderr.endswith("stop it first, or set another GUARD_DATA_DIR\n")
    same = run_guard(shared.data_dir, "serve", "--port", str(shared.port))
    assert same.returncode == 2 and "Guard runs there already, as process " in same.stderr
    assert shared.ready()


def test_doctor_knows_its_own_service(shared: Service) -> None:
    assert shared.process is not None
    done = run_guard(shared.data_dir, "doctor", "--json")
    (line,) = [line for line in json.loads(done.stdout) if line["check"] == "port"]
    assert done.returncode == 0, done.stdout
    assert line["message"] == f"Guard runs at {shared.url} (process {shared.process.pid}) and is ready"


def test_a_broken_policy_is_one_line_and_starts_nothing(data_dir: Path) -> None:
    path = data_dir / "policies" / "screening.yaml"
    path.write_text(path.read_text().replace("action: surrogate", "action: surogate", 1))
    done = run_guard(data_dir, "serve", "--port", "0", "--workers", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"guard: {data_dir}/policies: screening.yaml:")
    assert "did you mean 'surrogate'?" in done.stderr and done.stderr.count("\n") == 1
    assert running(data_dir) is None


def test_a_claim_is_held_once_and_counts_only_while_it_is_held(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with claim(tmp_path) as file:
        assert running(tmp_path) is None, "it has not said where it is"
        announce(file, SERVICE)
        assert running(tmp_path) == SERVICE
        with pytest.raises(ConfigurationError, match=r"already at http://127\.0\.0\.1:9 \(process 7\)"):
            claim(tmp_path).__enter__()
    assert running(tmp_path) is None
    with claim(tmp_path) as file:
        announce(file, SERVICE)
        assert running(tmp_path) == SERVICE, "what the last one wrote is gone"


def test_children_that_cannot_start_end_everything(data_dir: Path) -> None:
    clock = [0.0]
    supervisor = Supervisor(clock=lambda: clock[0])
    supervisor.start(Child(name="no-such-command-0", arguments=("no-such-command",)))
    assert supervisor.run() == 1
    (child,) = supervisor.children
    assert child.failures == 3 and child.process is not None and child.process.poll() == 2


def test_the_supervisors_children_are_the_only_ones(shared: Service) -> None:
    """Nothing else is started, so there is nothing else that could be left."""
    assert shared.process is not None
    commands = {
        Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[3].decode()
        for pid in children(shared.process.pid)
    }
    assert {"demo-model", "serve-worker"} <= commands <= CHILDREN
    assert sys.executable in Path(f"/proc/{shared.process.pid}/cmdline").read_text()
