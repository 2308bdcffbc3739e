"""``guard doctor``: each thing that can be wrong is one line with its remedy, and exit code 1."""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from guard.cli.doctor import CHECKS, filesystem
from tests.integration.cli.conftest import Guard
from tests.integration.cli.records import write_exchange

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:27 / /srv rw - tmpfs tmpfs rw
31 30 0:40 / /srv/share\\040one rw,nosuid - nfs4 server:/export rw
"""


def lines(guard: Guard, *options: str) -> tuple[int, dict[str, dict[str, object]]]:
    """Return the exit code and every line by its check."""
    done = guard("doctor", "--json", "--port", "0", *options)
    return done.code, {line["check"]: line for line in json.loads(done.out)}


def test_a_new_installation_is_fine(guard: Guard) -> None:
    code, found = lines(guard)
    assert code == 0 and list(found) == list(CHECKS)
    shown = guard("doctor", "--port", "0")
    assert shown.code == 0 and [line.split()[0] for line in shown.out.splitlines()] == ["ok"] * len(CHECKS)


def _others_read_the_keyring(data_dir: Path) -> None:
    (data_dir / "keyring").chmod(0o644)


def _no_keyring(data_dir: Path) -> None:
    (data_dir / "keyring").unlink()


def _configuration(data_dir: Path) -> None:
    path = data_dir / "guard.yaml"
    path.write_text(path.read_text().replace("dialect: openai", "dialect: openia", 1))


def _policies(data_dir: Path) -> None:
    path = data_dir / "policies" / "screening.yaml"
    path.write_text(path.read_text().replace("action: surrogate", "action: surogate", 1))


def _old_database(data_dir: Path) -> None:
    connection = sqlite3.connect(data_dir / "guard.db")
    with connection:
        connection.execute("UPDATE guard_version SET version_num = '0001'")
    connection.close()


def _damaged_log(data_dir: Path) -> None:
    for path in data_dir.glob("log.db*"):
        path.unlink()
    (data_dir / "log.db").write_bytes(b"no database at all" * 100)


def _clock(data_dir: Path) -> None:
    connection = sqlite3.connect(data_dir / "log.db")
    with connection:
        connection.execute(
            "INSERT INTO head (log, size, time, frontier) VALUES ('x', 0, 7900000000000000, x'')"
        )
    connection.close()


@pytest.mark.parametrize(
    ("break_it", "check", "said"),
    [
        (_others_read_the_keyring, "keyring", "run: chmod 600 "),
        (_no_keyring, "keyring", "run: guard init"),
        (_configuration, "configuration", "did you mean 'openai'?"),
        (_policies, "policies", "did you mean 'surrogate'?; see: guard policy check "),
        (_old_database, "databases", "guard.db is at revision 0001, this Guard needs "),
        (_damaged_log, "log", "log.db cannot be read or written (DatabaseError)"),
        (_clock, "clock", "set the clock, as with: timedatectl set-ntp true"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_problem_comes_with_its_remedy(
    guard: Guard, data_dir: Path, break_it: Callable[[Path], None], check: str, said: str
) -> None:
    break_it(data_dir)
    code, found = lines(guard)
    assert code == 1
    assert not found[check]["ok"] and said in str(found[check]["message"])
    assert found["disk"]["ok"]
    assert f"problem  {check}" in guard("doctor", "--port", "0").out


def test_without_a_data_directory_the_first_problem_says_what_to_do(guard: Guard, tmp_path: Path) -> None:
    code, found = lines(guard, "--data-dir", str(tmp_path / "none"))
    assert code == 1
    first = next(line for line in found.values() if not line["ok"])
    assert first["check"] == "data directory" and str(first["message"]).endswith("run: guard init")
    assert not (tmp_path / "none").exists(), "looking makes nothing"


def test_looking_leaves_no_trace(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    before = guard("log", "tail", "--json").out
    names = {path.name for path in data_dir.iterdir()}
    lines(guard)
    assert guard("log", "tail", "--json").out == before
    assert {path.name for path in data_dir.iterdir()} == names


def test_a_port_that_somebody_else_has(guard: Guard) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = guard("doctor", "--port", str(port), "--json")
    (line,) = [line for line in json.loads(done.out) if line["check"] == "port"]
    assert done.code == 1 and "Address already in use" in line["message"]
    assert f"GUARD_PORT={port + 1} make run" in line["message"]


def test_a_directory_that_cannot_be_written(
    guard: Guard, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, found = lines(guard)
    said = (
        f"cannot write in {data_dir} (No space left on device); give it to this user, or set GUARD_DATA_DIR"
    )
    assert code == 1 and found["data directory"]["message"] == said
    assert not (data_dir / ".doctor").exists()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/guard-data", "ext4"),
        ("/srv", "tmpfs"),
        ("/srv/share one/guard-data", "nfs4"),
        ("/srv/share", "tmpfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert filesystem(Path(path), MOUNTS) == kind


def test_a_system_that_does_not_tell(tmp_path: Path) -> None:
    assert filesystem(tmp_path, "") is None


def test_a_remote_file_system_is_a_problem(
    guard: Guard, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.cli.doctor.filesystem", lambda path: "nfs4")
    code, found = lines(guard)
    assert code == 1 and "is on nfs4, where records may be lost" in str(found["data directory"]["message"])


def test_a_full_disk_is_a_problem(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=5 * 2**20))
    code, found = lines(guard)
    assert code == 1 and str(found["disk"]["message"]).startswith("5 MiB are left")
