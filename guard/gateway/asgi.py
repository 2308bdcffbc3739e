"""The raw ASGI hot path for model endpoints: bytes in, one exchange, bytes out.

No framework: a request costs one dictionary of headers, one body, one call of the gate.
Everything that is not a model endpoint goes to ``fallback``. What cannot be read is
handed to the gate too, as a problem, so that its refusal is recorded or counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Protocol

from guard.errors import AuthenticationError, GuardError, InvalidRequest
from guard.gateway.credentials import Credential, check_query, read_credential
from guard.gateway.headers import Header, read_headers, stamp_headers
from guard.gateway.problems import problem_of
from guard.pipeline.answer import StreamReply
from guard.pipeline.result import Incoming, Result

__all__ = ["ASGIApp", "Message", "ModelEndpoints", "Receive", "Scope", "Send"]

Scope = MutableMapping[str, object]
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

ROUTES = {"/v1/chat/completions": "openai.chat"}
"""Model endpoints by path. Unknown endpoints are refused, never passed through."""
INFER = re.compile(r"/v2/models/([A-Za-z0-9][A-Za-z0-9._-]{0,63})/infer")
"""The one endpoint whose path names the model."""

BODY_SECONDS = 60
"""A caller that sends more slowly holds a connection and memory for nothing."""
ENCODED = "encoded request bodies are not read; send it without Content-Encoding"
NOBODY = Credential(key=None, caller_authorization=None)


class _Gate(Protocol):
    def authenticate(self, credential: str | None) -> object: ...

    async def exchange(self, incoming: Incoming) -> Result: ...


class _Left(Exception):
    """The caller left before its body was whole."""


class ModelEndpoints:
    """Serves the model endpoints; ``max_body`` in bytes, ``new_id`` makes exchange ids."""

    def __init__(self, gate: _Gate, *, fallback: ASGIApp, max_body: int, new_id: Callable[[], str]) -> None:
        self._gate = gate
        self._fallback = fallback
        self._max_body = max_body
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route, named = _route(str(scope.get("path"))) if scope["type"] == "http" else (None, None)
        if route is None:
            await self._fallback(scope, receive, send)
            return
        with contextlib.suppress(_Left):
            await self._serve(await self._incoming(scope, receive, route, named), receive, send)

    async def _incoming(self, scope: Scope, receive: Receive, route: str, named: str | None) -> Incoming:
        headers: dict[str, str] = {}
        credential, body = NOBODY, b""
        problem: GuardError | None = None
        try:
            headers = read_headers(_raw_headers(scope))
            credential = read_credential(headers)
            check_query(_bytes(scope.get("query_string")))
            _check(str(scope["method"]), headers)
            if self._known(credential):
                async with asyncio.timeout(BODY_SECONDS):
                    body = await self._body(receive, headers.get("content-length"))
        except TimeoutError:
            problem = InvalidRequest(
                f"the body did not arrive within {BODY_SECONDS} s; send it at once", code="body_too_slow"
            )
        except GuardError as error:
            problem = error
        client = scope.get("client")
        return Incoming(
            exchange=self._new_id(),
            route=route,
            body=body,
            headers=headers,
            credential=credential.key,
            caller_authorization=credential.caller_authorization,
            address=str(client[0]) if isinstance(client, (tuple, list)) else "",
            named=named,
            problem=problem,
        )

    def _known(self, credential: Credential) -> bool:
        """Whether it is worth reading the body; a stranger's is not."""
        try:
            self._gate.authenticate(credential.key)
        except AuthenticationError:
            return False
        return True

    async def _body(self, receive: Receive, length: str | None) -> bytes:
        """Read the whole body. Raises ``InvalidRequest`` for one that is too large."""
        if length is not None and length.isdigit() and int(length) > self._max_body:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Left
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
                # A caller that has left hears nothing more; its record is made in here.
                await serving

    async def _answer(self, incoming: Incoming, send: Send) -> None:
        result = await self._gate.exchange(incoming)
        headers = stamp_headers(result.stamp)
        if result.error is not None:
            problem = problem_of(result.error, route=incoming.route, reference=incoming.exchange)
            await _send_whole(send, problem.status, (*headers, *problem.headers), problem.body)
        elif isinstance(result.reply, StreamReply):
            await _send_stream(send, result.reply, headers)
        elif result.reply is not None:
            kind = (b"content-type", b"application/json")
            await _send_whole(send, 200, (*headers, kind), result.reply.body)


def _route(path: str) -> tuple[str | None, str | None]:
    """Return the route of a path, and the model that it names."""
    infer = INFER.fullmatch(path)
    return ("open-inference.infer", infer.group(1)) if infer else (ROUTES.get(path), None)


def _check(method: str, headers: dict[str, str]) -> None:
    if method != "POST":
        raise InvalidRequest("use POST", code="method_not_allowed")
    if headers.get("content-encoding", "identity") != "identity":
        raise InvalidRequest(ENCODED, code="unsupported_encoding")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidRequest(
            "the body must be sent as Content-Type: application/json", code="unsupported_media_type"
        )


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _send_stream(send: Send, reply: StreamReply, headers: tuple[Header, ...]) -> None:
    try:
        kind = ((b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache"))
        await send({"type": "http.response.start", "status": 200, "headers": [*headers, *kind]})
        async with contextlib.aclosing(reply.chunks) as chunks:
            # An error in here leaves the response unfinished on purpose: the server then
            # breaks the connection, so that a failed stream never ends cleanly.
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        # Chunks of which none was taken cannot end the exchange by themselves.
        await reply.close()


async def _send_whole(send: Send, status: int, headers: tuple[Header, ...], body: bytes) -> None:
    sized = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": sized})
    await send({"type": "http.response.body", "body": body})


def _raw_headers(scope: Scope) -> list[Header]:
    raw = scope.get("headers")
    return list(raw) if isinstance(raw, (list, tuple)) else []


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""
