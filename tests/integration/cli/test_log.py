"""``guard log tail``: the newest records, one a line, and new ones as they come."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from tests.e2e.service import GUARD
from tests.integration.cli.conftest import Guard
from tests.integration.cli.records import EXCHANGE, INTENT, OTHER, record, write, write_exchange


def test_the_newest_records_come_oldest_first(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    guard("keys", "issue", "--application", "crm")
    rows = [json.loads(line) for line in guard("log", "tail", "--json").out.splitlines()]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert [row["type"] for row in rows][:2] == ["exchange.intent", "exchange.outcome"]
    (newest,) = guard("log", "tail", "-n", "1", "--json").out.splitlines()
    assert json.loads(newest) == rows[-1]
    assert guard("log", "tail", "-n", "0").out == ""


def test_people_read_a_record_a_line(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    first, second = guard("log", "tail").out.splitlines()
    assert first.split()[0] == "0" and "  exchange.intent  " in first
    for word in ("application=crm", "entities=EMAIL_ADDRESS", "rules=contact", f"exchange={EXCHANGE}"):
        assert word in first
    assert "usage=completion:3,prompt:7" in second and "sealed" not in second and "rules" not in second


def test_a_tenant_without_a_log(guard: Guard, data_dir: Path) -> None:
    done = guard("log", "tail")
    assert done.code == 2 and "no log of tenant 'default'; there are: none yet" in done.err
    write_exchange(data_dir)
    done = guard("log", "tail", "--tenant", "acme")
    assert done.code == 2 and "there are: default" in done.err


def test_following_shows_what_comes_until_ctrl_c(guard: Guard, data_dir: Path) -> None:
    write_exchange(data_dir)
    following = subprocess.Popen(
        [*GUARD, "log", "tail", "-n", "1", "--follow", "--json"],
        env={**os.environ, "GUARD_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert following.stdout is not None
    assert json.loads(following.stdout.readline())["index"] == 1
    write(data_dir, [record("exchange.intent", INTENT, OTHER)])
    assert json.loads(following.stdout.readline())["exchange"] == OTHER
    following.send_signal(signal.SIGINT)
    rest, said = following.communicate(timeout=30)
    assert (following.returncode, rest, said) == (0, b"", b"")
