"""Upstreams that fail, callers that leave, workers that die: nothing is lost or left open."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from guard.audit import verify
from tests.e2e.conftest import make_service
from tests.e2e.service import Service, run_guard, stop_quietly

EMAIL = "maria.gomez@kestrel-labs.com"


def chat(model: str, content: str = "hello", **members: object) -> bytes:
    """Return a chat body."""
    body = {"model": model, "messages": [{"role": "user", "content": content}], **members}
    return json.dumps(body).encode()


def records(service: Service, exchange: str) -> list[dict[str, object]]:
    """Return the leaves of an exchange."""
    done = run_guard(service.data_dir, "explain", exchange, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found: list[dict[str, object]] = [row["leaf"] for row in told["records"]]
    return found


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("demo-status-500", 502, "upstream_rejected"),
        ("demo-invalid", 502, "upstream_invalid"),
        ("demo-error", 502, "upstream_error"),
        ("unreachable", 502, "upstream_unavailable"),
        ("link-local", 502, "upstream_unavailable"),
    ],
)
def test_an_upstream_that_fails_is_a_clear_error_with_one_end(
    service: Service, model: str, status: int, code: str
) -> None:
    got, headers, answer = service.chat(chat(model))
    assert (got, json.loads(answer)["error"]["code"]) == (status, code)
    leaves = records(service, headers["x-guard-request"])
    assert [leaf["type"] for leaf in leaves] == ["exchange.intent", "exchange.outcome"]
    assert leaves[-1]["end"] == "failed"


@pytest.mark.parametrize("model", ["falls-back", "second-after-500"])
def test_the_next_target_is_tried_with_a_record_of_its_own(service: Service, model: str) -> None:
    status, headers, answer = service.chat(chat(model, f"to {EMAIL}"))
    assert status == 200 and EMAIL in answer.decode()
    leaves = records(service, headers["x-guard-request"])
    assert [(leaf["type"], leaf["attempt"]) for leaf in leaves] == [
        ("exchange.intent", 1),
        ("exchange.intent", 2),
        ("exchange.outcome", 2),
    ]


@pytest.mark.parametrize("model", ["demo-cut", "demo-invalid", "demo-error"])
def test_a_stream_that_breaks_never_ends_cleanly(service: Service, model: str) -> None:
    with pytest.raises((openai.APIError, openai.APIConnectionError, Exception)) as broken:
        for _ in service.client().chat.completions.create(
            model=model, messages=[{"role": "user", "content": "long " * 50}], stream=True
        ):
            pass
    assert not isinstance(broken.value, AssertionError)


def test_a_caller_that_leaves_mid_stream_ends_the_exchange_as_aborted(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    connection.request(
        "POST",
        "/v1/chat/completions",
        chat("demo-slow-stream", "x " * 200, stream=True),
        {"content-type": "application/json", "authorization": f"Bearer {service.key()}"},
    )
    answer = connection.getresponse()
    exchange = answer.headers["x-guard-request"]
    assert answer.read(10)
    connection.close()
    deadline = time.monotonic() + 10
    ends: list[object] = []
    while not ends and time.monotonic() < deadline:
        ends = [leaf["end"] for leaf in records(service, exchange) if leaf["type"] == "exchange.outcome"]
    assert ends == ["aborted"]


def test_strangers_are_counted_and_do_not_fill_the_log(service: Service) -> None:
    def knock(_: int) -> int:
        return service.call("POST", "/v1/chat/completions", chat("demo-echo"), key="gk_live_nonsense")[0]

    size = (service.data_dir / "log.db").stat().st_size
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(knock, range(400))) == {401}
    assert (service.data_dir / "log.db").stat().st_size - size < 200_000


def test_limits_are_exact_across_workers(service: Service) -> None:
    key = service.key("limited", "--requests-per-minute", "20")

    def ask(_: int) -> int:
        return service.chat(chat("demo-echo"), key=key)[0]

    began = time.time() // 60
    with ThreadPoolExecutor(8) as pool:
        passed = Counter(pool.map(ask, range(60)))[200]
    assert passed == 20 if time.time() // 60 == began else 20 <= passed <= 40
    status, headers, _ = service.chat(chat("demo-echo"), key=key)
    assert status in (200, 429)
    if status == 429:
        assert 1 <= int(headers["retry-after"]) <= 60


def test_workers_killed_under_load_leave_gaps_and_a_clean_log(own_service: Service, tmp_path: Path) -> None:
    service = own_service
    client = service.client()
    acknowledged: list[str] = []

    def ask(number: int) -> None:
        try:
            raw = client.chat.completions.with_raw_response.create(
                model="demo-echo", messages=[{"role": "user", "content": f"{number} {EMAIL}"}]
            )
        except openai.APIError:
            return
        acknowledged.append(raw.headers["x-guard-request"])

    with ThreadPoolExecutor(8) as pool:
        for round_number in range(4):
            jobs = [pool.submit(ask, round_number * 100 + number) for number in range(60)]
            for pid in service.worker_pids():
                os.kill(pid, signal.SIGKILL)
            for job in jobs:
                job.result()
            deadline = time.monotonic() + 20
            while not service.ready() and time.monotonic() < deadline:
                continue
    assert acknowledged
    assert service.stop() == 0
    out = tmp_path / "export.zip"
    assert run_guard(service.data_dir, "audit", "export", "--out", str(out)).returncode == 0
    checked = run_guard(service.data_dir, "audit", "fsck")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    members = verify.unpack(out.read_bytes())
    leaves = [json.loads(line) for line in members["logs/default/entries.jsonl"].splitlines()]
    ends = Counter(
        leaf["exchange"]
        for leaf in leaves
        if leaf["type"] in ("exchange.outcome", "exchange.gap", "exchange.refused")
    )
    opened = {leaf["exchange"] for leaf in leaves if leaf["type"] == "exchange.intent"}
    assert set(acknowledged) <= opened
    assert set(ends.values()) == {1}, "an exchange has exactly one end"
    still_open = opened - set(ends)
    assert not still_open & set(acknowledged)


def not_ready_while_it_fails(service: Service, key: str) -> bool:
    """Whether a failed record takes the worker out of service; housekeeping may make room between the two."""
    return any(
        service.chat(chat("demo-echo", "x" * 2000), key=key)[0] == 503 and service.get("/readyz")[0] == 503
        for _ in range(200)
    )


def test_a_log_that_cannot_be_written_stops_everything(tmp_path: Path) -> None:
    service = make_service(tmp_path, workers=1)
    service.start()
    key = service.key()
    assert service.stop() == 0
    service.file_limit = (service.data_dir / "log.db").stat().st_size + 300_000
    service.start()
    try:
        last: tuple[int, dict[str, str], bytes] = (200, {}, b"")
        for number in range(2000):
            before = number
            last = service.chat(chat("demo-echo", f"turn-{number}-end " + "x" * 2000), key=key)
            if last[0] != 200:
                break
        status, headers, answer = last
        assert (status, json.loads(answer)["error"]["code"]) == (503, "audit_unavailable")
        assert headers["retry-after"] == "5" and headers["x-should-retry"] == "false"
        assert not any(f"turn-{before}-end" in body for body in service.received())
        # What is small may still fit, and then the log counts as back: so it is asked until both fail.
        both = (0, 0)
        for _ in range(500):
            if both == (503, 503):
                break
            both = (service.chat(chat("demo-echo", "x" * 2000), key=key)[0], service.get("/readyz")[0])
        assert both == (503, 503)
    finally:
        stop_quietly(service)
