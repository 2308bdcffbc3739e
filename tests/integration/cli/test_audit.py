"""``guard audit``: one's own log, an export, and a stranger with nothing but a public key."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from guard.audit import verify
from tests.integration.cli.conftest import Guard
from tests.integration.cli.records import write_exchange

ANOTHER_REGION = "UPDATE leaf SET body = CAST(replace(body, 'us', 'eu') AS BLOB) WHERE idx = 0"


@pytest.fixture
def recorded(guard: Guard, data_dir: Path) -> Path:
    """Return the data directory with one exchange in its log."""
    write_exchange(data_dir)
    return data_dir


def change(data_dir: Path, statement: str) -> None:
    """Do to the log what only somebody with a hand in the database can do."""
    connection = sqlite3.connect(data_dir / "log.db")
    with connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def export(guard: Guard, out: Path, *options: str) -> dict[str, object]:
    """Export and return what was printed."""
    done = guard("audit", "export", "--out", str(out), "--json", *options)
    assert done.code == 0, done.err
    told: dict[str, object] = json.loads(done.out)
    return told


def test_a_whole_log_is_valid(guard: Guard, recorded: Path) -> None:
    done = guard("audit", "fsck", "--json")
    told = json.loads(done.out)
    assert done.code == 0 and told["valid"] and told["problems"] == []
    assert told["entries"] == 2 and told["values"] >= 6 and told["shredded"] == 0
    shown = guard("audit", "fsck").out
    assert "checked  2 entries, " in shown and shown.endswith("result   valid\n")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (ANOTHER_REGION, "log default: entry 0: index or hash is off"),
        ("UPDATE leaf SET body = 'text' WHERE idx = 0", "log default"),
        ("UPDATE leaf SET time = 'text' WHERE idx = 1", "log default"),
        ("DELETE FROM leaf WHERE idx = 1", "1 entries, but the head says 2"),
        ("UPDATE head SET size = 1", "log default"),
        ("UPDATE side_row SET value = zeroblob(40)", "is not what was sealed"),
        ("UPDATE leaf SET type = 'exchange.gap' WHERE idx = 1", "a column differs from the entry"),
    ],
    ids=[
        "a word",
        "another type",
        "another type of time",
        "a lost entry",
        "a cut head",
        "a sealed value",
        "a column",
    ],
)
def test_what_was_changed_is_found_and_exit_code_is_1(
    guard: Guard, recorded: Path, statement: str, said: str
) -> None:
    change(recorded, statement)
    done = guard("audit", "fsck")
    assert done.code == 1 and done.out.startswith("INVALID  ") and said in done.out
    assert done.out.endswith("result   not valid\n")
    assert json.loads(guard("audit", "fsck", "--json").out)["problems"]


def test_a_file_that_is_no_database_is_a_problem_and_no_traceback(guard: Guard, recorded: Path) -> None:
    for path in recorded.glob("log.db*"):
        path.unlink()
    (recorded / "log.db").write_bytes(b"no database at all" * 100)
    done = guard("audit", "fsck")
    assert done.code == 1 and "log.db: cannot be read" in done.out


def test_an_export_is_valid_for_anybody(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "log.zip"
    told = export(guard, out)
    assert out.stat().st_mode & 0o777 == 0o600
    assert told["logs"] == [
        {**log, "revealed": 0} for log in json.loads(guard("audit", "verify", str(out), "--json").out)["logs"]
    ]
    with_key = guard("audit", "verify", str(out), "--key", str(told["key"]))
    assert with_key.code == 0 and with_key.out.startswith("valid    log default: 2 entries, ")
    assert "no --key given" not in with_key.out
    assert "no --key given" in guard("audit", "verify", str(out)).out


def test_the_file_inside_checks_the_archive_without_guard(
    guard: Guard, recorded: Path, tmp_path: Path
) -> None:
    out = tmp_path / "log.zip"
    key = str(export(guard, out)["key"])
    (tmp_path / "verify.py").write_bytes(verify.unpack(out.read_bytes())["verify.py"])
    done = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "verify.py"), str(out), "--key", key],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0 and "log default: 2 entries" in done.stdout


def test_sealed_values_are_revealed_on_request_only(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    plain, revealed = tmp_path / "plain.zip", tmp_path / "revealed.zip"
    export(guard, plain)
    export(guard, revealed, "--reveal")
    assert b"patient-7" not in plain.read_bytes() and b"patient-7" in revealed.read_bytes()
    told = json.loads(guard("audit", "verify", str(revealed), "--json").out)
    assert sum(log["revealed"] for log in told["logs"]) >= 6


def test_an_export_holds_the_tenants_that_were_asked_for(
    guard: Guard, recorded: Path, tmp_path: Path
) -> None:
    guard("keys", "issue", "--application", "crm", "--tenant", "acme")
    logs = export(guard, tmp_path / "all.zip")["logs"]
    assert isinstance(logs, list) and [log["log"] for log in logs] == ["acme", "default"]
    logs = export(guard, tmp_path / "one.zip", "--tenant", "acme")["logs"]
    assert isinstance(logs, list) and [log["log"] for log in logs] == ["acme"]
    done = guard("audit", "export", "--out", str(tmp_path / "none.zip"), "--tenant", "nobody")
    assert done.code == 2 and "no log of tenant 'nobody'; there are: acme, default" in done.err
    assert not (tmp_path / "none.zip").exists()


def test_every_flipped_byte_is_reported_with_its_place(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "log.zip"
    export(guard, out)
    whole = out.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        out.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        done = guard("audit", "verify", str(out), "--json")
        told = json.loads(done.out)
        assert done.code == 1 and not told["valid"] and ":" in told["problem"], at


def test_another_key_is_not_trusted(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    out = tmp_path / "log.zip"
    export(guard, out)
    done = guard("audit", "verify", str(out), "--key", verify.key_line("guard", bytes(32)))
    assert done.code == 1 and "another key than the trusted one" in done.out


def test_a_key_that_is_none_is_a_mistake_of_use(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    done = guard("audit", "verify", str(recorded), "--key", "guard+0000")
    assert done.code == 2 and "Traceback" not in done.err


def test_a_copy_of_a_data_directory_needs_no_secret(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    key = str(json.loads(guard("audit", "fsck", "--json").out)["key"])
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(recorded / "log.db", copy)
    (recorded / "keyring").rename(tmp_path / "elsewhere")
    done = guard("audit", "verify", str(copy), "--key", key, "--json")
    told = json.loads(done.out)
    assert done.code == 0 and told["valid"] and told["entries"] == 2 and told["values"] == 0
    change(copy, ANOTHER_REGION)
    assert guard("audit", "verify", str(copy), "--key", key).code == 1


def test_a_data_directory_is_checked_with_its_own_key_if_none_is_given(
    guard: Guard, recorded: Path, tmp_path: Path
) -> None:
    assert guard("audit", "verify", str(recorded)).code == 0
    (recorded / "keyring").rename(tmp_path / "elsewhere")
    done = guard("audit", "verify", str(recorded))
    assert done.code == 2 and "no --key given" in done.err


@pytest.mark.parametrize("name", ["missing.zip", "empty"])
def test_what_is_not_there_cannot_be_verified(guard: Guard, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    done = guard("audit", "verify", str(tmp_path / name))
    assert done.code == 2 and str(tmp_path / name) in done.err


def test_an_export_that_cannot_be_written(guard: Guard, recorded: Path, tmp_path: Path) -> None:
    done = guard("audit", "export", "--out", str(tmp_path / "no" / "log.zip"))
    assert done.code == 2 and "cannot write" in done.err
