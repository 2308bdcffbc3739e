"""The bare pass-through: our own server, edge and client with no stage between them.

The same uvicorn workers, the same raw ASGI endpoint, the same pooled client; nothing is
authenticated, read, screened or recorded. What Guard costs is measured against this.
"""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import AsyncGenerator

from guard.cli.processes import die_with_parent
from guard.cli.serve import serve_on
from guard.domain.catalogue import Provider
from guard.gateway.asgi import ASGIApp, ModelEndpoints, Receive, Scope, Send
from guard.pipeline.answer import StreamReply, WholeReply
from guard.pipeline.result import Incoming, Result, Stamp
from guard.storage.installation import new_id
from guard.upstream.http import HttpUpstream
from guard.upstream.provider import UpstreamAnswer

__all__ = ["main"]

MAX_BODY = 8 * 2**20
PATH = "/chat/completions"
STREAMED = b'"stream": true'


class _Nothing:
    """A gate that only forwards."""

    def __init__(self, url: str) -> None:
        self._provider = Provider(name="stub", dialect="openai", base_url=url)
        self._upstream = HttpUpstream(lambda _provider, _caller: None)

    def authenticate(self, _credential: str | None) -> None:
        """Know everybody."""

    async def exchange(self, incoming: Incoming) -> Result:
        """Forward the bytes as they came."""
        answer = await self._upstream.send(
            self._provider, path=PATH, body=incoming.body, caller_authorization=None
        )
        stamp = Stamp(exchange=incoming.exchange)
        if STREAMED in incoming.body:
            return Result(stamp=stamp, reply=StreamReply(chunks=_chunks(answer), close=_no_more))
        return Result(stamp=stamp, reply=WholeReply(body=await answer.read()))


async def _chunks(answer: UpstreamAnswer) -> AsyncGenerator[bytes, None]:
    async for chunk in answer.chunks():
        yield chunk
    answer.close()


async def _no_more() -> None:
    """Do nothing at the end of a stream: there is no record to write."""


async def _nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _app(url: str) -> ASGIApp:
    return ModelEndpoints(_Nothing(url), fallback=_nothing_else, max_body=MAX_BODY, new_id=new_id)


def main() -> None:
    """Serve on an inherited socket until ended."""
    die_with_parent(os.getppid())
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    options = parser.parse_args()
    serve_on(_app(options.upstream), socket.socket(fileno=options.descriptor))


if __name__ == "__main__":
    main()
