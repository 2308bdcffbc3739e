"""Lists, health and metrics: who needs a key, what is said, and that nothing is passed through."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Mapping

import pytest
from fastapi import FastAPI

from guard.gateway.operations import EVERY_METHOD, operations_app
from guard.pipeline.authorize import usable_models
from tests.fakes.asgi import Got, call
from tests.unit.pipeline.house import CREDENTIAL, House

KEY = (b"authorization", f"Bearer {CREDENTIAL}".encode())


def application(*, ready: bool = True, facts: Mapping[str, object] | None = None) -> FastAPI:
    """Return the application round a house."""
    counter = itertools.count(1)
    return operations_app(
        authenticate=House().gate.authenticate,
        usable=usable_models,
        ready=lambda: (ready, facts or {}),
        metrics=lambda: b"guard_ready 1.0\n",
        new_id=lambda: f"x{next(counter)}",
    )


def get(path: str, *headers: tuple[bytes, bytes], method: str = "GET", query: bytes = b"") -> Got:
    """Ask once."""
    return asyncio.run(call(application(), path, method=method, headers=headers, query=query))


def test_the_list_of_models_is_in_the_openai_format() -> None:
    told = json.loads(get("/v1/models", KEY).body)
    assert told["object"] == "list"
    assert told["data"] == [
        {"id": name, "object": "model", "created": 0, "owned_by": "guard"} for name in ("m", "free-*")
    ]


@pytest.mark.parametrize(
    ("headers", "query", "status", "code"),
    [
        ([], b"", 401, "missing_api_key"),
        ([(b"authorization", b"Bearer nonsense")], b"", 401, "invalid_api_key"),
        ([KEY, KEY], b"", 400, "duplicate_header"),
        ([KEY], b"key=x", 400, "key_in_query"),
        ([KEY], b"limit=1000", 400, "unknown_parameter"),
        ([KEY, (b"x-guard-mode", b"off")], b"", 400, "unknown_header"),
        ([KEY, (b"x-guard-purpose", b"fraud")], b"", 400, "purpose_required"),
    ],
)
def test_a_list_needs_a_key_and_nothing_else(
    headers: list[tuple[bytes, bytes]], query: bytes, status: int, code: str
) -> None:
    got = get("/v1/models", *headers, query=query)
    assert (got.status, got.error["code"]) == (status, code)
    assert got.headers["x-guard-request"] == "x1" and "(ref x1)" in str(got.error["message"])
    assert got.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("header", [b"x-api-key", b"x-goog-api-key", b"x-guard-key"])
def test_a_list_takes_a_key_in_each_form(header: bytes) -> None:
    assert get("/v1/models", (header, CREDENTIAL.encode())).status == 200


def test_a_reachability_probe_needs_no_key() -> None:
    got = get("/", method="HEAD")
    assert (got.status, got.body) == (200, b"")


def test_the_process_lives() -> None:
    assert (get("/healthz").status, json.loads(get("/healthz").body)) == (200, {"status": "alive"})


@pytest.mark.parametrize(("ready", "status", "word"), [(True, 200, "ready"), (False, 503, "not ready")])
def test_readiness_says_what_is_known(ready: bool, status: int, word: str) -> None:
    app = application(ready=ready, facts={"log": "healthy", "problem": None})
    got = asyncio.run(call(app, "/readyz", method="GET", headers=()))
    assert got.status == status
    assert json.loads(got.body) == {"status": word, "log": "healthy", "problem": None}


def test_metrics_are_in_the_text_format() -> None:
    got = get("/metrics")
    assert got.body == b"guard_ready 1.0\n" and got.headers["content-type"].startswith(
        "text/plain; version=0.0.4"
    )


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize(
    "path", ["/v1/embeddings", "/v1/files/x", "/admin", "/docs", "/openapi.json", "/%2e%2e", "/a/../b"]
)
def test_unknown_endpoints_are_refused_and_never_echoed(method: str, path: str) -> None:
    got = get(path, KEY, method=method)
    assert got.status == 404 and got.headers["x-guard-request"] == "x1"
    assert got.error["code"] == "unknown_endpoint"
    assert path.strip("/") not in got.body.decode()


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/healthz"), ("DELETE", "/v1/models"), ("GET", "/"), ("POST", "/")]
)
def test_another_method_of_a_known_path_is_unknown_too(method: str, path: str) -> None:
    assert get(path, KEY, method=method).error["code"] == "unknown_endpoint"
