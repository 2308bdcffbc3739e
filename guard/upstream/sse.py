"""Server-sent events (WHATWG HTML §9.2.6), incrementally, cut anywhere, in linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.errors import UpstreamError

__all__ = ["EventStream"]

ENDING = re.compile(rb"\r\n?|\n")
MARK = b"\xef\xbb\xbf"
MAX_EVENT = 4 * 2**20


class EventStream:
    """Collects bytes and yields the data of whole events; comments and names are passed over."""

    def __init__(self) -> None:
        self._head = b""
        self._begun = False
        self._after_return = False
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of every event that ``chunk`` completes. Raises ``UpstreamError``."""
        if not self._begun:
            chunk = self._without_mark(chunk)
        if not chunk:
            return
        if self._after_return:
            # The line has ended already; this may be the second half of its CR LF.
            chunk = chunk.removeprefix(b"\n")
        self._after_return = chunk.endswith(b"\r")
        start = 0
        for ending in ENDING.finditer(chunk):
            self._hold(self._line, chunk[start : ending.start()])
            start = ending.end()
            line = b"".join(self._line)
            self._line.clear()
            if line:
                self._field(line)
            elif self._data:
                data = b"\n".join(self._data)
                self._data.clear()
                self._size = 0
                yield data
        self._hold(self._line, chunk[start:])

    def _without_mark(self, chunk: bytes) -> bytes:
        """Drop one byte order mark at the very beginning."""
        self._head += chunk
        if len(self._head) < len(MARK) and MARK.startswith(self._head):
            return b""
        self._begun = True
        head, self._head = self._head, b""
        return head.removeprefix(MARK)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        self._size -= len(line)
        if name == b"data":
            # One more for the line itself: endless empty data lines are held too.
            self._size += 1
            self._hold(self._data, value.removeprefix(b" "))

    def _hold(self, where: list[bytes], piece: bytes) -> None:
        where.append(piece)
        self._size += len(piece)
        if self._size > MAX_EVENT:
            raise UpstreamError("one event of the provider's stream is too large", code="upstream_invalid")
