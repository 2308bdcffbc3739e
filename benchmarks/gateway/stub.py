"""A provider that costs almost nothing: answers with a piece of what it got, plain or streamed.

Runs in its own process. ``GET /received`` gives the SHA-256 of every body so far, if it
was started with ``--remember``.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import socket
from typing import cast

import msgspec
import uvloop

from benchmarks.gateway.wire import Messages
from guard.cli.processes import die_with_parent

__all__ = ["ECHOED", "main"]

ECHOED = 240
"""Characters of the last message that an answer repeats."""

TOKEN = 5
"""Characters of one event of a stream."""

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
HEAD = {"id": "chatcmpl-bench", "created": 1_700_000_000, "model": "bench-model"}
USAGE = {"prompt_tokens": 250, "completion_tokens": 60, "total_tokens": 310}


def plain(text: str) -> bytes:
    """Return a whole answer."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    return msgspec.json.encode({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE})


def events(text: str) -> list[bytes]:
    """Return the events of a streamed answer, the last ones in one piece."""
    pieces = [text[at : at + TOKEN] for at in range(0, len(text), TOKEN)]
    whole = [_event({"content": piece}, None) for piece in pieces]
    whole.append(_event({}, "stop") + b"data: [DONE]\n\n")
    return whole


def _event(delta: dict[str, str], reason: str | None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: %b\n\n" % msgspec.json.encode(
        {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    )


class _Provider(Messages):
    def __init__(self, remembered: list[str] | None) -> None:
        super().__init__()
        self._remembered = remembered
        self._transport = asyncio.WriteTransport()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def message(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /received"):
            listed = json.dumps(self._remembered).encode()
            self._transport.write(PLAIN % (len(listed), listed))
            return
        if self._remembered is not None:
            self._remembered.append(hashlib.sha256(body).hexdigest())
        asked = msgspec.json.decode(body)
        text = str(asked["messages"][-1]["content"])[:ECHOED]
        if not asked.get("stream"):
            answer = plain(text)
            self._transport.write(PLAIN % (len(answer), answer))
            return
        self._transport.write(EVENTS)
        for event in events(text):
            # One write an event, as a provider sends token by token.
            self._transport.write(b"%x\r\n%b\r\n" % (len(event), event))
        self._transport.write(b"0\r\n\r\n")


async def _serve(listener: socket.socket, remembered: list[str] | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Provider(remembered), sock=listener)
    await server.serve_forever()


def main() -> None:
    """Serve on an inherited socket until ended."""
    die_with_parent(os.getppid())
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--remember", action="store_true")
    options = parser.parse_args()
    listener = socket.socket(fileno=options.descriptor)
    uvloop.run(_serve(listener, [] if options.remember else None))


if __name__ == "__main__":
    main()
