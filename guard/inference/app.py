"""HTTP edge of the model server: health, metadata, infer. It trusts its caller, the gateway.

The server listens on 127.0.0.1 only; keys, policy and records are the gateway's.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from guard.errors import GuardError, InvalidRequest, NotFound
from guard.inference.models import ServedModels
from guard.inference.protocol import read_request
from guard.upstream.reasons import HEADER, PLACE_HEADER, REASONS

__all__ = ["make_app"]

MAX_BODY = 16 * 2**20


def make_app(models: ServedModels) -> FastAPI:
    """Return the application."""
    app = FastAPI(title="Guard models", docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(GuardError)
    def failed(_: Request, error: GuardError) -> Response:
        status = 404 if isinstance(error, NotFound) else 400 if isinstance(error, InvalidRequest) else 503
        headers = {HEADER: error.code, PLACE_HEADER: error.position or ""} if error.code in REASONS else {}
        return JSONResponse({"error": error.message}, status_code=status, headers=headers)

    @app.get("/v2")
    def server() -> Response:
        return JSONResponse({"name": "guard", "version": "1", "extensions": []})

    @app.get("/v2/health/live")
    def live() -> Response:
        return JSONResponse({"live": True})

    @app.get("/v2/health/ready")
    def ready() -> Response:
        models.names()
        return JSONResponse({"ready": True})

    @app.get("/v2/models/{name}")
    def metadata(name: str) -> Response:
        model = models.find(name)
        return JSONResponse(
            {
                "name": name,
                "versions": [str(model.version.version)],
                "platform": "onnxruntime_onnx",
                "inputs": [
                    {"name": item.name, "datatype": item.datatype, "shape": _sizes(item.shape)}
                    for item in model.inputs
                ],
                "outputs": [
                    {"name": item.name, "datatype": item.datatype, "shape": _sizes(item.shape)}
                    for item in model.outputs
                ],
            }
        )

    @app.get("/v2/models/{name}/ready")
    def model_ready(name: str) -> Response:
        models.find(name)
        return JSONResponse({"ready": True})

    @app.post("/v2/models/{name}/infer")
    async def infer(name: str, request: Request) -> Response:
        body = await _body(request)
        model = await run_in_threadpool(models.find, name)
        content = await run_in_threadpool(lambda: model.infer(read_request(body)))
        return Response(content, media_type="application/json")

    return app


def _sizes(shape: object) -> list[int]:
    """Return a shape as the protocol has it: -1 for a size that varies."""
    return (
        [size if isinstance(size, int) else -1 for size in shape] if isinstance(shape, (list, tuple)) else []
    )


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise InvalidRequest(f"the body is larger than {MAX_BODY} bytes", code="body_too_large")
        chunks.append(chunk)
    return b"".join(chunks)
