"""Server-sent events (WHATWG HTML §9.2), incrementally, cut anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.errors import UpstreamError

__all__ = ["EventStream"]

LINE = re.compile(rb"\r\n|\n|\r")
MAX_EVENT = 4 * 2**20


class EventStream:
    """Collects bytes and yields the data of whole events; comments and names are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of every event that ``chunk`` completes. Raises ``UpstreamError``."""
        buffer = self._rest + chunk
        start = 0
        for ending in LINE.finditer(buffer):
            # A carriage return at the very end may be half of a pair.
            if ending.group() == b"\r" and ending.end() == len(buffer):
                break
            line = buffer[start : ending.start()]
            start = ending.end()
            if line:
                self._field(line)
            elif self._data:
                data, self._data = b"\n".join(self._data), []
                yield data
        self._rest = buffer[start:]
        if len(self._rest) + sum(map(len, self._data)) > MAX_EVENT:
            raise UpstreamError("one event of the provider's stream is too large", code="upstream_invalid")

    @property
    def partial(self) -> bool:
        """Whether an event has begun and not ended."""
        return bool(self._rest.strip() or self._data)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
