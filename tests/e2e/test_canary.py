"""Marked values go through every stage and every failure; nothing of ours may hold them."""

from __future__ import annotations

import base64
import http.client
import os
import signal
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.canary import ANSWERS, FORMS, SENT, SILENT, bodies, chat, headers, hostile_upstream, leaks
from tests.e2e.conftest import CONFIGURATION, make_service
from tests.e2e.service import Service, run_guard, stop_quietly

RULES = """  rules:
    - name: blocks-requests
      direction: request
      when: {application: blocked, group: payment}
      action: block
    - name: blocks-answers
      direction: answer
      when: {application: blocked-answers, group: contact}
      action: block
"""


@dataclass(slots=True, kw_only=True)
class Evidence:
    """What was seen of one installation: files and streams by name, answers that were errors."""

    places: dict[str, bytes] = field(default_factory=dict)
    errors: list[bytes] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def ask(
        self, service: Service, method: str, path: str, body: bytes, given: dict[str, str], key: str
    ) -> int:
        """Send a request; keep what an error said, headers too. 0 is a stream that broke off."""
        try:
            status, said, answer = service.call(method, path, body, key=key, headers=given)
        except (OSError, http.client.HTTPException):
            self.statuses[0] += 1
            return 0
        self.statuses[status] += 1
        shown = "\n".join(f"{name}: {value}" for name, value in said.items()).encode()
        self.errors.append(shown if status == 200 else shown + b"\n" + answer)
        return status

    def look(self, service: Service, when: str) -> None:
        """Read every file of the data directory."""
        for path in service.data_dir.rglob("*"):
            if path.is_file():
                self.places[f"{when}: {path.relative_to(service.data_dir)}"] = path.read_bytes()


def configured(folder: Path, port: int) -> Service:
    """Return a service with the hostile provider and rules that block."""
    service = make_service(folder)
    provider = f'  - {{name: hostile, dialect: openai, base_url: "http://127.0.0.1:{port}/v1"}}\n'
    model = '  - {name: "hostile-*", targets: [{provider: hostile, model: same}]}\n'
    text = CONFIGURATION.replace("models:\n", f"{provider}models:\n{model}")
    (service.data_dir / "guard.yaml").write_text(text)
    policy = service.data_dir / "policies" / "screening.yaml"
    policy.write_text(policy.read_text().replace("  rules:\n", RULES, 1))
    return service


def drive(service: Service, evidence: Evidence) -> None:
    """Send everything that there is to send."""
    key, path = service.key(), "/v1/chat/completions"
    for body in bodies():
        evidence.ask(service, "POST", path, body, {"x-guard-subject": SENT[0]}, key)
    for given in headers():
        evidence.ask(service, "POST", path, chat("demo-echo"), given, key)
    for application in ("blocked", "blocked-answers"):
        for model in ("demo-echo", "hostile-0"):
            for stream in (False, True):
                body = chat(model, stream=stream)
                evidence.ask(service, "POST", path, body, {}, service.key(application))
    limited = service.key("limited", "--requests-per-minute", "1")
    for _ in range(3):
        evidence.ask(service, "POST", path, chat("demo-echo"), {}, limited)
    evidence.ask(service, "POST", path, chat("demo-echo"), {}, f"gk_live_{SENT[3]}")
    evidence.ask(service, "POST", f"{path}?key={SENT[2]}", chat("demo-echo"), {}, key)
    evidence.ask(service, "POST", f"/v1/{SENT[2]}", chat("demo-echo"), {}, key)
    evidence.ask(service, "GET", f"/v1/models?api_key={SENT[2]}", b"", {}, key)
    evidence.ask(service, "GET", f"/{SENT[2]}/{SENT[3]}", b"", {}, key)


def leave(service: Service) -> None:
    """Leave in the middle of an answer, and wait until that is recorded."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    sent = {"content-type": "application/json", "authorization": f"Bearer {service.key()}"}
    connection.request("POST", "/v1/chat/completions", chat(f"hostile-{SILENT}", stream=True), sent)
    answer = connection.getresponse()
    exchange = answer.headers["x-guard-request"]
    answer.read(10)
    connection.close()
    deadline = time.monotonic() + 20
    while '"aborted"' not in run_guard(service.data_dir, "explain", exchange, "--json").stdout:
        assert time.monotonic() < deadline, "leaving was never recorded"


def kill(service: Service) -> None:
    """Kill the workers while they hold a request, and wait for the next ones."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    sent = {"content-type": "application/json", "authorization": f"Bearer {service.key()}"}
    connection.request("POST", "/v1/chat/completions", chat(f"hostile-{SILENT}", stream=True), sent)
    connection.getresponse().read(10)
    for pid in service.worker_pids():
        os.kill(pid, signal.SIGKILL)
    connection.close()
    deadline = time.monotonic() + 20
    while not service.ready():
        assert time.monotonic() < deadline, "not ready again"


def commands(service: Service, evidence: Evidence, folder: Path) -> None:
    """Keep what commands say that need not show a value to anybody."""
    for arguments in (
        ("log", "tail", "-n", "1000", "--json"),
        ("log", "tail", "--tenant", "system", "-n", "1000"),
        ("doctor",),
        ("keys", "list", "--all", "--json"),
        ("audit", "fsck"),
        ("audit", "export", "--out", str(folder / "export.zip")),
    ):
        done = run_guard(service.data_dir, *arguments)
        evidence.places[" ".join(arguments[:4])] = (done.stdout + done.stderr).encode()
    with zipfile.ZipFile(folder / "export.zip") as archive:
        for name in archive.namelist():
            evidence.places[f"export: {name}"] = archive.read(name)


def fill_the_disk(service: Service, evidence: Evidence) -> None:
    """Let the log run out of space with marked values under way."""
    service.file_limit = (service.data_dir / "log.db").stat().st_size + 150_000
    service.start()
    key = service.key()
    for _ in range(500):
        if evidence.ask(service, "POST", "/v1/chat/completions", chat("demo-echo"), {}, key) == 503:
            break
    evidence.places["metrics, disk full"] = service.get("/metrics")[1]
    evidence.places["readyz, disk full"] = service.get("/readyz")[1]
    evidence.look(service, "disk full")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Return what is left after everything was tried."""
    folder = tmp_path_factory.mktemp("canary")
    seen = Evidence()
    with hostile_upstream() as port:
        service = configured(folder, port)
        try:
            service.start()
            drive(service, seen)
            leave(service)
            seen.look(service, "running")
            kill(service)
            for page in ("/metrics", "/readyz", "/healthz"):
                seen.places[page] = service.get(page)[1]
            seen.look(service, "after a kill")
            assert service.stop() == 0
            seen.look(service, "stopped")
            commands(service, seen, folder)
            fill_the_disk(service, seen)
        finally:
            stop_quietly(service)
        seen.places["standard output and error"] = service.output.read_bytes()
    return seen


def test_no_value_stands_in_any_file_stream_metric_or_command(evidence: Evidence) -> None:
    found = {place: leaks(data) for place, data in evidence.places.items()}
    assert not {place: values for place, values in found.items() if values}


def test_no_value_stands_in_any_error_or_header(evidence: Evidence) -> None:
    found = [leaks(error) for error in evidence.errors]
    assert not [values for values in found if values]


def test_everything_was_there_to_be_looked_at(evidence: Evidence) -> None:
    names = "\n".join(evidence.places)
    for name in (
        "running: log.db-wal",
        "running: guard.db",
        "running: metrics/",
        "stopped: log.db",
        "export: ",
    ):
        assert name in names
    assert len(evidence.places["stopped: log.db"]) > 50_000
    assert b'"event": "exchange"' in evidence.places["standard output and error"]
    assert b"guard_exchanges_total" in evidence.places["/metrics"]
    assert b"exchange.gap" in evidence.places["log tail -n 1000"]


def test_every_failure_was_a_failure(evidence: Evidence) -> None:
    assert {0, 200, 400, 401, 404, 415, 429, 502, 503} <= set(evidence.statuses)
    assert evidence.statuses[400] >= 25 and evidence.statuses[502] >= 20


@pytest.mark.parametrize("value", [*SENT, *ANSWERS])
def test_a_hidden_value_would_be_found(value: str) -> None:
    for known, name, form in FORMS:
        if known == value:
            assert (value, name) in leaks(b"some text before " + form + b" and after")


@pytest.mark.parametrize("shift", range(3))
def test_a_value_inside_encoded_text_would_be_found(shift: int) -> None:
    text = "x" * shift + f"to {SENT[0]} and more"
    assert leaks(base64.b64encode(text.encode()))
    assert leaks(base64.b64encode(text.encode() + b"\xff\xfe\xfb", altchars=b"-_"))
