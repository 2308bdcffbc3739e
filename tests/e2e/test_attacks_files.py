"""A careless administrator: files that are moved, replaced or locked while a service runs."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import make_service
from tests.e2e.service import Service, run_guard, stop_quietly

HELLO = b'{"model":"demo-echo","messages":[{"role":"user","content":"to maria.gomez@kestrel-labs.com"}]}'
SECONDS = 20.0


@pytest.fixture(scope="module")
def maimed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a service whose files these tests take away and put back."""
    running = make_service(tmp_path_factory.mktemp("maimed"), workers=1)
    running.start()
    yield running
    stop_quietly(running)


def told(service: Service, wanted: Callable[[str], bool]) -> str:
    """Wait until what ``/readyz`` says is wrong is as wanted."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        problem = str(json.loads(service.get("/readyz")[1])["problem"] or "")
        if wanted(problem):
            return problem
    raise AssertionError("readyz never said so")


def asked(service: Service, key: str, wanted: int) -> None:
    """Ask until the answer has the wanted status."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if service.chat(HELLO, key=key)[0] == wanted:
            return
    raise AssertionError(f"never answered with {wanted}")


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_thousand_million_lines(path: Path) -> None:
    lines = [f"{chr(97 + n)}: &{chr(97 + n)} [{', '.join(['*' + chr(96 + n)] * 9)}]" for n in range(1, 12)]
    path.write_text("\n".join(["a: &a [x]", *lines]))


HARMS = (a_pipe, a_device, a_thousand_million_lines)
"""Each takes two reloads; what else may stand there is tested beside the reader."""


def test_whatever_takes_the_place_of_a_policy_the_last_good_one_stays(maimed: Service) -> None:
    service, key = maimed, maimed.key("policies")
    policy = service.data_dir / "policies" / "screening.yaml"
    good = policy.read_bytes()
    for harm in HARMS:
        policy.unlink()
        harm(policy)
        assert told(service, bool), harm.__name__
        status, headers, _ = service.chat(HELLO, key=key)
        assert status == 200 and headers["x-guard-entities"] == "EMAIL_ADDRESS=1", harm.__name__
        policy.rmdir() if policy.is_dir() else policy.unlink()
        policy.write_bytes(good)
        told(service, lambda problem: not problem)
    # The reload itself has survived: what is revoked now is refused.
    listed = json.loads(run_guard(service.data_dir, "keys", "list", "--json").stdout)
    (mine,) = [one["id"] for one in listed if one["application"] == "policies"]
    assert run_guard(service.data_dir, "keys", "revoke", mine).returncode == 0
    asked(service, key, 401)


def test_a_log_that_was_moved_away_takes_nothing_and_loses_nothing(maimed: Service) -> None:
    service, key = maimed, maimed.key("log")
    log, away = service.data_dir / "log.db", service.data_dir / "away"
    acknowledged = []
    for _ in range(10):
        status, headers, _ = service.chat(HELLO, key=key)
        acknowledged.append(headers["x-guard-request"])
        assert status == 200
    log.rename(away)
    before = service.received()
    for _ in range(6):
        status, _, answer = service.chat(HELLO.replace(b"to ", b"gone "), key=key)
        assert (status, json.loads(answer)["error"]["code"]) == (503, "audit_unavailable")
    assert service.get("/readyz")[0] == 503 and not log.exists()
    assert service.received() == before, "something left without a record"
    away.replace(log)
    asked(service, key, 200)
    checked = run_guard(service.data_dir, "audit", "fsck")
    assert checked.returncode == 0, checked.stdout
    with contextlib.closing(sqlite3.connect(log)) as reader:
        recorded = {row[0] for row in reader.execute("SELECT exchange FROM leaf")}
    assert set(acknowledged) <= recorded


def test_without_its_keyring_nothing_leaves_and_with_it_all_goes_on(maimed: Service) -> None:
    service, key = maimed, maimed.key("keyring")
    keyring = service.data_dir / "keyring"
    good, before = keyring.read_bytes(), service.received()
    for content in (None, b"nonsense"):
        keyring.unlink() if content is None else keyring.write_bytes(content)
        status, _, answer = service.chat(HELLO, key=key)
        assert (status, json.loads(answer)["error"]["code"]) == (503, "key_unavailable")
    assert service.received() == before
    keyring.write_bytes(good)
    keyring.chmod(0o600)
    asked(service, key, 200)
