"""A server's side of ASGI: what an application is asked, and what it answers, without sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from guard.gateway.asgi import ASGIApp, Message

__all__ = ["Caller", "Got", "call"]

JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """What a caller got; ``finished`` is false where the answer broke off."""

    status: int
    headers: dict[str, str]
    body: bytes
    finished: bool

    @property
    def error(self) -> dict[str, object]:
        """The error in the OpenAI format."""
        told: dict[str, object] = json.loads(self.body)["error"]
        return told


@dataclass(slots=True)
class Caller:
    """Sends a body in pieces, takes the answer, and may leave."""

    pieces: Sequence[bytes] = (b"",)
    sent: list[Message] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    """How many pieces of the body were taken."""

    async def receive(self) -> Message:
        """Give the next piece; then nothing until the caller leaves."""
        if self.asked < len(self.pieces):
            self.asked += 1
            more = self.asked < len(self.pieces)
            return {"type": "http.request", "body": self.pieces[self.asked - 1], "more_body": more}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the answer."""
        await asyncio.sleep(0)
        self.sent.append(message)
        self.heard.set()

    async def hears(self, messages: int) -> None:
        """Wait until so many messages of the answer are there."""
        while len(self.sent) < messages:
            self.heard.clear()
            await self.heard.wait()

    @property
    def got(self) -> Got:
        """The answer so far."""
        start, *rest = self.sent
        headers = start["headers"]
        assert isinstance(headers, list)
        assert isinstance(start["status"], int)
        bodies = [message["body"] for message in rest if message["type"] == "http.response.body"]
        return Got(
            status=start["status"],
            headers={name.decode(): value.decode() for name, value in headers},
            body=b"".join(body for body in bodies if isinstance(body, bytes)),
            finished=bool(rest) and not rest[-1].get("more_body", False),
        )


async def call(
    app: ASGIApp,
    path: str = "/v1/chat/completions",
    *,
    method: str = "POST",
    headers: Iterable[tuple[bytes, bytes]] = (JSON,),
    pieces: Sequence[bytes] = (b"",),
    query: bytes = b"",
    caller: Caller | None = None,
) -> Got:
    """Run one request through an application."""
    asking = caller or Caller(pieces)
    scope: Message = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "query_string": query,
        "headers": list(headers),
        "client": ("192.0.2.1", 5),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, asking.receive, asking.send)
    return asking.got
