"""The raw ASGI hot path for model endpoints: bytes in, one exchange, bytes out.

No framework: a request costs one dictionary of headers, one body, one call of the gate.
Everything that is not a model endpoint goes to ``fallback``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Protocol

from guard.errors import GuardError, InvalidRequest
from guard.gateway.credentials import read_credential
from guard.gateway.headers import stamp_headers
from guard.gateway.problems import openai_problem
from guard.pipeline.answer import StreamReply
from guard.pipeline.exchange import Incoming, Result

__all__ = ["ASGIApp", "Message", "ModelEndpoints", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

ROUTES = {"/v1/chat/completions": "openai.chat"}
"""Model endpoints by path. Unknown endpoints are refused, never passed through."""

ENCODED = "encoded request bodies are not read; send it without Content-Encoding"


class _Gate(Protocol):
    async def exchange(self, incoming: Incoming) -> Result: ...


class ModelEndpoints:
    """Serves the model endpoints; ``max_body`` in bytes, ``new_id`` makes exchange ids."""

    def __init__(self, gate: _Gate, *, fallback: ASGIApp, max_body: int, new_id: Callable[[], str]) -> None:
        self._gate = gate
        self._fallback = fallback
        self._max_body = max_body
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        route = ROUTES.get(str(scope.get("path"))) if scope["type"] == "http" else None
        if route is None:
            await self._fallback(scope, receive, send)
            return
        exchange = self._new_id()
        try:
            incoming = await self._incoming(scope, receive, route, exchange)
        except GuardError as error:
            await _send_error(send, error, exchange, ())
            return
        if incoming is None:
            return
        await self._serve(incoming, receive, send)

    async def _incoming(self, scope: Scope, receive: Receive, route: str, exchange: str) -> Incoming | None:
        if scope["method"] != "POST":
            raise InvalidRequest("use POST", code="method_not_allowed")
        headers = _headers(scope)
        credential = read_credential(headers, _bytes(scope.get("query_string")))
        if headers.get("content-encoding", "identity") != "identity":
            raise InvalidRequest(ENCODED, code="unsupported_encoding")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise InvalidRequest(
                "the body must be sent as Content-Type: application/json", code="unsupported_media_type"
            )
        body = await self._body(receive, headers.get("content-length"))
        if body is None:
            return None
        client = scope.get("client")
        return Incoming(
            exchange=exchange,
            route=route,
            body=body,
            headers=headers,
            credential=credential.key,
            caller_authorization=credential.caller_authorization,
            address=str(client[0]) if isinstance(client, (tuple, list)) else "",
        )

    async def _body(self, receive: Receive, length: str | None) -> bytes | None:
        """Read the whole body; ``None`` if the caller left before its end."""
        if length is not None and length.isdigit() and int(length) > self._max_body:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = _bytes(message.get("body"))
            size += len(chunk)
            if size > self._max_body:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)

    def _too_large(self) -> InvalidRequest:
        return InvalidRequest(f"the body is larger than {self._max_body} bytes", code="body_too_large")

    async def _serve(self, incoming: Incoming, receive: Receive, send: Send) -> None:
        """Run the exchange while watching for a caller that leaves."""
        serving = asyncio.ensure_future(self._answer(incoming, send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((serving, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            if not serving.done():
                serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            # A caller that has left hears nothing more; its record is already written.
            await serving

    async def _answer(self, incoming: Incoming, send: Send) -> None:
        result = await self._gate.exchange(incoming)
        headers = stamp_headers(result.stamp)
        if result.error is not None:
            await _send_error(send, result.error, incoming.exchange, headers)
            return
        reply = result.reply
        if isinstance(reply, StreamReply):
            await _send_stream(send, reply, headers)
        elif reply is not None:
            await _start(send, 200, (*headers, (b"content-type", b"application/json")), len(reply.body))
            await send({"type": "http.response.body", "body": reply.body})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _send_stream(send: Send, reply: StreamReply, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    await _start(
        send, 200, (*headers, (b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")), None
    )
    async with contextlib.aclosing(reply.chunks) as chunks:
        # An error in here leaves the response unfinished on purpose: the server then
        # breaks the connection, so that a failed stream never ends cleanly.
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _send_error(
    send: Send, error: GuardError, exchange: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    problem = openai_problem(error, reference=exchange)
    known = headers or ((b"x-guard-request", exchange.encode()),)
    await _start(send, problem.status, (*known, *problem.headers), len(problem.body))
    await send({"type": "http.response.body", "body": problem.body})


async def _start(
    send: Send, status: int, headers: tuple[tuple[bytes, bytes], ...], length: int | None
) -> None:
    sized = headers if length is None else (*headers, (b"content-length", str(length).encode()))
    await send({"type": "http.response.start", "status": status, "headers": list(sized)})


def _headers(scope: Scope) -> dict[str, str]:
    raw = scope.get("headers")
    headers: dict[str, str] = {}
    for name, value in raw if isinstance(raw, (list, tuple)) else ():
        key = name.decode("latin-1").lower()
        if key in headers and (key.startswith("x-guard-") or key in SINGLE):
            raise InvalidRequest(f"the header {key} is sent twice", code="duplicate_header")
        headers[key] = value.decode("latin-1")
    if "transfer-encoding" in headers and "content-length" in headers:
        raise InvalidRequest("both Content-Length and Transfer-Encoding are sent", code="ambiguous_length")
    return headers


SINGLE = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "content-type", "content-length", "content-encoding"}
)
"""Headers that mean two things when sent twice."""


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
