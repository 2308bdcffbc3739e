"""Everything of the application edge that is not a model endpoint: lists, health, metrics.

``/healthz`` says that the process lives, ``/readyz`` that it can do its work and what is
wrong if not, ``/metrics`` counts. None of them needs a key and none shows payload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from guard.domain.principal import Principal
from guard.errors import GuardError, NotFound
from guard.gateway.credentials import check_query, read_credential
from guard.gateway.headers import read_headers, request_header
from guard.gateway.problems import openai_problem
from guard.pipeline.declared import declared
from guard.pipeline.snapshot import Snapshot

__all__ = ["operations_app"]

EVERY_METHOD = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def operations_app(
    *,
    authenticate: Callable[[str | None], tuple[Principal, Snapshot]],
    usable: Callable[[Principal, Snapshot], Sequence[str]],
    ready: Callable[[], tuple[bool, Mapping[str, object]]],
    metrics: Callable[[], bytes],
    new_id: Callable[[], str],
) -> FastAPI:
    """Build the app. ``usable`` lists the models that a principal may use."""
    app = FastAPI(title="Guard", docs_url=None, redoc_url=None, openapi_url=None)

    def problem(error: GuardError) -> Response:
        reference = new_id()
        rendered = openai_problem(error, reference=reference)
        sent = (request_header(reference), *rendered.headers)
        headers = {name.decode(): value.decode() for name, value in sent}
        return Response(rendered.body, status_code=rendered.status, headers=headers)

    @app.get("/v1/models")
    def models(request: Request) -> Response:
        try:
            check_query(request.scope["query_string"])
            headers = read_headers(request.scope["headers"])
            principal, snapshot = authenticate(read_credential(headers).key)
            declared(headers, principal, snapshot.application(principal.application).classification)
        except GuardError as error:
            return problem(error)
        data = [
            {"id": name, "object": "model", "created": 0, "owned_by": "guard"}
            for name in usable(principal, snapshot)
        ]
        return JSONResponse({"object": "list", "data": data})

    @app.get("/healthz")
    def healthz() -> Response:
        return JSONResponse({"status": "alive"})

    @app.head("/")
    def reachable() -> Response:
        return Response()

    @app.get("/readyz")
    def readyz() -> Response:
        is_ready, facts = ready()
        return JSONResponse(
            {"status": "ready" if is_ready else "not ready", **facts}, status_code=200 if is_ready else 503
        )

    @app.get("/metrics")
    def prometheus() -> Response:
        return Response(metrics(), media_type="text/plain; version=0.0.4")

    @app.api_route("/{path:path}", methods=EVERY_METHOD, include_in_schema=False)
    def unknown(path: str) -> Response:  # noqa: ARG001 (the path is never echoed)
        return problem(
            NotFound("no such endpoint; unknown endpoints are never passed through", code="unknown_endpoint")
        )

    return app
