"""The demo provider as a raw ASGI application, and a page that shows what it received."""

from __future__ import annotations

import asyncio
import html
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping

from guard.upstream.demo import MODELS, answer, stream

__all__ = ["make_app"]

Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
KEPT = 20
SILENCE = 3600.0
SPOKEN = 8
"""Events that a stream sends before it falls silent on request."""
JSON = b"application/json"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>What the demo model received</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="refresh" content="3">
<style>body{{font:16px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b2733}}
pre{{background:#f3f5f7;padding:1rem;overflow-x:auto;white-space:pre-wrap;border-radius:.4rem}}
h1{{font-size:1.4rem}}p{{color:#51606e}}</style>
<h1>What the demo model received</h1><p>The last {count} bodies as they arrived, newest first.
The same as JSON: <a href="/received">/received</a></p>{bodies}</html>"""


async def _start(send: Send, status: int, kind: bytes) -> None:
    headers = [(b"content-type", kind)]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _reply(send: Send, status: int, body: bytes, kind: bytes = JSON) -> None:
    await _start(send, status, kind)
    await send({"type": "http.response.body", "body": body})


class _Demo:
    def __init__(self) -> None:
        self._received: deque[str] = deque(maxlen=KEPT)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        path = scope["path"]
        if path == "/v1/chat/completions":
            await self._chat(await self._body(receive), send)
        elif path == "/v1/models":
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "demo"} for name in MODELS]
            await _reply(send, 200, json.dumps({"object": "list", "data": models}).encode())
        elif path == "/received":
            await _reply(send, 200, json.dumps(list(self._received)).encode())
        elif path == "/":
            await _reply(send, 200, self._page(), b"text/html; charset=utf-8")
        else:
            await _reply(send, 404, b'{"error":{"message":"unknown"}}')

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})

    async def _body(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        while True:
            message = await receive()
            chunk = message.get("body", b"")
            chunks.append(chunk if isinstance(chunk, bytes) else b"")
            if not message.get("more_body"):
                return b"".join(chunks)

    def _page(self) -> bytes:
        bodies = "".join(f"<pre>{html.escape(body)}</pre>" for body in reversed(self._received))
        return PAGE.format(count=len(self._received), bodies=bodies).encode()

    async def _chat(self, raw: bytes, send: Send) -> None:
        self._received.append(raw.decode("utf-8", "replace"))
        body = json.loads(raw)
        model = body.get("model")
        if model == "demo-status-500":
            await _reply(send, 500, b'{"error":{"message":"on request"}}')
        elif model == "demo-invalid":
            await _reply(send, 200, b'{"choices": [')
        elif model == "demo-error":
            await _reply(send, 200, b'{"error":{"message":"on request","code":"overloaded"}}')
        elif model == "demo-slow":
            await asyncio.sleep(SILENCE)
        elif body.get("stream"):
            await self._stream(body, send)
        else:
            await _reply(send, 200, json.dumps(answer(body), ensure_ascii=False).encode())

    async def _stream(self, body: dict[str, object], send: Send) -> None:
        frames = [
            b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n" for chunk in stream(body)
        ]
        whole = b"".join(frames) + b"data: [DONE]\n\n"
        pieces: Iterable[bytes] = [*frames, b"data: [DONE]\n\n"]
        if body.get("model") == "demo-bytes":
            pieces = [whole[at : at + 1] for at in range(len(whole))]
        if body.get("model") == "demo-cut":
            pieces = [whole[: len(whole) // 2]]
        await _start(send, 200, b"text/event-stream")
        for number, piece in enumerate(pieces):
            if number == SPOKEN and body.get("model") == "demo-slow-stream":
                await asyncio.sleep(SILENCE)
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if body.get("model") == "demo-cut":
            raise ConnectionAbortedError("cut on request")
        await send({"type": "http.response.body", "body": b""})


def make_app() -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return the application."""
    return _Demo()
