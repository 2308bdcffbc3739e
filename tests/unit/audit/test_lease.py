"""Leases: alive while the process lives, dead however it dies, never in between."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from guard.audit.lease import Lease, alive, sweep

HOLDER = """
import sys
from pathlib import Path
from guard.audit.lease import Lease
lease = Lease(Path(sys.argv[1]), "theirs")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lease_lives_until_it_is_released(tmp_path: Path) -> None:
    assert not alive(tmp_path, "mine")
    lease = Lease(tmp_path / "boots", "mine")
    assert alive(tmp_path / "boots", "mine")
    lease.release()
    lease.release()
    assert not alive(tmp_path / "boots", "mine")
    assert list((tmp_path / "boots").iterdir()) == []


def test_asking_does_not_kill_and_two_may_ask_at_once(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "mine")
    assert all(alive(tmp_path, "mine") for _ in range(3))
    lease.release()
    (tmp_path / "dead.lock").touch()
    with (tmp_path / "dead.lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        assert not alive(tmp_path, "dead"), "who asks is not taken for the holder"


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    lease = Lease(tmp_path, "mine")
    with pytest.raises(FileExistsError):
        Lease(tmp_path, "mine")
    assert alive(tmp_path, "mine")
    lease.release()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_lease_has_its_name_only_once_it_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees the file between the two would take a living process for a dead one."""
    seen: list[bool] = []
    true_link = os.link

    def link(source: Path, target: Path) -> None:
        sweep(tmp_path, set())
        true_link(source, target)
        seen.append(alive(tmp_path, target.stem))

    monkeypatch.setattr(os, "link", link)
    lease = Lease(tmp_path, "mine")
    assert seen == [True]
    sweep(tmp_path, set())
    assert alive(tmp_path, "mine")
    lease.release()


def test_a_killed_process_is_dead_and_swept_once_nobody_needs_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert alive(tmp_path, "theirs")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not alive(tmp_path, "theirs")
    sweep(tmp_path, {"theirs"})
    assert (tmp_path / "theirs.lock").exists()
    mine = Lease(tmp_path, "mine")
    sweep(tmp_path, set())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.lock"]
    mine.release()
