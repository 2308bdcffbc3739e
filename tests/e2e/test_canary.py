"""Marked values go through every stage and every failure; nothing of ours may hold them."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator

from tests.e2e.service import Service, run_guard

CANARIES = (
    "canary.bird@kestrel-labs.com",
    "5425233430109903",
    "AKIAZ3CANARYWERT2345",
    "canary9Passw0rd77",
    "+49 30 901820",
)
TEXT = " ".join((CANARIES[0], CANARIES[1], CANARIES[2], f"password: {CANARIES[3]}", CANARIES[4]))


def bodies() -> Iterator[bytes]:
    """Yield requests that end in every way there is."""
    for model in (
        "demo-echo",
        "demo-tool",
        "demo-inject",
        "demo-status-500",
        "demo-invalid",
        "demo-error",
        "unreachable",
        "falls-back",
        "no-such-model",
    ):
        for stream in (False, True):
            yield json.dumps(
                {
                    "model": model,
                    "stream": stream,
                    "messages": [
                        {"role": "system", "content": TEXT},
                        {"role": "user", "content": TEXT, TEXT: TEXT},
                    ],
                    "tools": [
                        {"type": "function", "function": {"name": "t", "description": TEXT, "parameters": {}}}
                    ],
                    "metadata": {"who": TEXT},
                    "user": CANARIES[0],
                }
            ).encode()
    yield TEXT.encode()
    yield json.dumps({"model": CANARIES[0], "messages": [{"role": TEXT, "content": TEXT}]}).encode()
    yield json.dumps(
        {"model": "demo-echo", "messages": [{"role": "tool", "tool_call_id": CANARIES[0]}]}
    ).encode()
    yield json.dumps(
        {"model": "demo-echo", "n": TEXT, "messages": [{"role": "user", "content": "x"}]}
    ).encode()


def forms(value: str) -> Iterator[bytes]:
    """Yield a value as it might be hidden in a file."""
    yield value.encode()
    yield value.encode("utf-16-le")
    yield urllib.parse.quote(value, safe="").encode()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + value.encode())
        yield encoded[4 if shift else 0 : -4]


def test_no_value_stands_in_any_log_error_metric_or_file(own_service: Service) -> None:
    service = own_service
    key = service.key()
    wrong = 0
    for body in bodies():
        try:
            status, _, answer = service.chat(body, key=key, headers={"x-guard-subject": CANARIES[0]})
        except OSError:
            wrong += 1  # a stream that was broken off
            continue
        if status != 200:
            wrong += 1
            for canary in CANARIES:
                assert canary.encode() not in answer
    assert wrong >= 8, "the failures were meant to fail"
    seen = {"output": b"", "metrics": service.get("/metrics")[1], "ready": service.get("/readyz")[1]}
    assert service.stop() == 0
    seen["output"] = service.output.read_bytes()
    for path in service.data_dir.rglob("*"):
        if path.is_file():
            seen[path.name] = path.read_bytes()
    assert len(seen["log.db"]) > 10_000
    for name, data in seen.items():
        for canary in CANARIES:
            for form in forms(canary):
                assert form not in data, f"{name} holds a value"
    assert run_guard(service.data_dir, "audit", "fsck").returncode == 0
