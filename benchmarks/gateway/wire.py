"""Just enough HTTP/1.1 for both ends of a benchmark, so that they cost little beside the gate."""

from __future__ import annotations

import asyncio
import re

__all__ = ["Messages", "request"]

LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding: ?chunked", re.IGNORECASE)
LAST_CHUNK = b"0\r\n\r\n"


def request(path: str, body: bytes, key: str) -> bytes:
    """Return a whole POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Messages(asyncio.Protocol):
    """Collects the messages of one connection; they come one at a time (no pipelining)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._head = b""
        self._needed: int | None = None

    def data_received(self, data: bytes) -> None:
        """Take bytes; call ``begun`` at the first and ``message`` when a message is whole."""
        if not self._pieces:
            self.begun()
        self._pieces.append(data)
        self._size += len(data)
        if not self._head:
            self._read_head()
        if self._head and self._whole():
            raw = b"".join(self._pieces)
            head, body = self._head, raw[len(self._head) :]
            self._pieces, self._size, self._head, self._needed = [], 0, b"", None
            self.message(head, body)

    def _read_head(self) -> None:
        raw = b"".join(self._pieces)
        end = raw.find(b"\r\n\r\n")
        if end < 0:
            return
        self._head = raw[: end + 4]
        length = LENGTH.search(self._head)
        if length is not None:
            self._needed = len(self._head) + int(length.group(1))
        elif not CHUNKED.search(self._head):
            self._needed = len(self._head)

    def _whole(self) -> bool:
        if self._needed is not None:
            return self._size >= self._needed
        # Chunk sizes are written before chunks, so nothing else can end like this.
        return b"".join(self._pieces[-2:]).endswith(LAST_CHUNK)

    def begun(self) -> None:
        """Note that the first bytes of a message are here."""

    def message(self, head: bytes, body: bytes) -> None:
        """Take a whole message; a chunked body comes with its chunk lines."""
        raise NotImplementedError
