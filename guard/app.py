"""The ASGI application of one worker: the raw hot path in front, FastAPI for the rest."""

from __future__ import annotations

import gc
import sys

from guard.gateway.asgi import ASGIApp, Message, ModelEndpoints, Receive, Scope, Send
from guard.settings import Settings
from guard.wiring import Services, build

__all__ = ["create"]

SWITCH_SECONDS = 0.0005
"""How long a thread waits for the interpreter before it asks for it. The log's writer needs it
many times a batch, and the event loop keeps it busy: Python's own 5 ms would be a commit each."""


def create(settings: Settings) -> ASGIApp:
    """Return the application; services start and stop with the server's lifespan."""
    services: Services | None = None
    endpoints: ModelEndpoints | None = None

    async def lifespan(receive: Receive, send: Send) -> None:
        nonlocal services, endpoints
        await receive()
        try:
            services = build(settings)
            await services.start()
            _settle()
            endpoints = services.endpoints
        except Exception as error:  # noqa: BLE001 (a worker that cannot start says so and ends)
            await send(_failure(error))
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await services.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif endpoints is not None:
            await endpoints(scope, receive, send)

    return app


def _settle() -> None:
    """Tell the interpreter that what is there now stays, and how its threads share it."""
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)


def _failure(error: Exception) -> Message:
    from guard.telemetry import fault

    fault("startup", error)
    return {"type": "lifespan.startup.failed", "message": type(error).__name__}
