"""A provider on a real socket that does what a test says, byte for byte."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

__all__ = ["Behaviour", "ProviderServer", "Request", "hang", "reply", "serving"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What arrived: the first line, headers by lower-case name, the body."""

    line: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


def reply(
    body: bytes, *, status: str = "200 OK", headers: str = "", close: bool = False, length: int | None = None
) -> Behaviour:
    """Return a behaviour that answers; ``length`` may promise more than ``body`` holds."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        promised = len(body) if length is None else length
        head = f"HTTP/1.1 {status}\r\ncontent-length: {promised}\r\n{headers}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        if close:
            writer.close()

    return answer


async def hang(writer: asyncio.StreamWriter) -> None:
    """Say nothing."""


@dataclass(slots=True)
class ProviderServer:
    """Answers every request with ``behaviour``.

    ``asked`` is set when a request has arrived, ``gone`` when a client has hung up.
    """

    behaviour: Behaviour
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until the client hangs up."""
        self.connections += 1
        try:
            while request := await _request(reader):
                self.requests.append(request)
                self.asked.set()
                await self.behaviour(writer)
        except ConnectionError:
            pass  # a client that resets is one that has gone
        finally:
            self.gone.set()
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.strip().split("\r\n")
    pairs = (one.partition(":") for one in rest)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(line=line, headers=headers, body=body)


@asynccontextmanager
async def serving(
    behaviour: Behaviour, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ProviderServer]:
    """Serve on a free port of 127.0.0.1."""
    provider = ProviderServer(behaviour)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, ssl=tls)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        server.close()
