"""JSON inside strings, edited by spans: what its escapes stand for, and back (RFC 8259 §7)."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

__all__ = ["DecodedText", "decode", "escape"]

ESCAPE = re.compile(
    r"\\(?:u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})"
    r"|u((?:[0-9A-CE-Fa-ce-f][0-9A-Fa-f]|[Dd][0-7])[0-9A-Fa-f]{2})|([\"\\/bfnrt]))"
)
"""Halves of a surrogate pair that stand alone are no characters: they stay written."""

SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class DecodedText:
    """``text`` is decoded; ``source(start, end)`` maps a span of it to the source."""

    __slots__ = ("_decoded", "_source", "text")

    def __init__(self, text: str, decoded: list[int], source: list[int]) -> None:
        self.text = text
        self._decoded = decoded
        self._source = source

    def _at(self, position: int) -> int:
        """Map one boundary: between the known points both sides grow one for one."""
        known = bisect_right(self._decoded, position) - 1
        return self._source[known] + position - self._decoded[known]

    def source(self, start: int, end: int) -> tuple[int, int]:
        """Map a span; an escape belongs to it as a whole."""
        return self._at(start), self._at(end)

    def position(self, source: int) -> int:
        """Map an index of the source, between escapes, to the decoded text."""
        known = bisect_right(self._source, source) - 1
        return self._decoded[known] + source - self._source[known]


def decode(source: str) -> DecodedText:
    """Decode every escape of ``source``; whatever is no valid escape stays as it is."""
    pieces: list[str] = []
    decoded, origin = [0], [0]
    length = at = 0
    for found in ESCAPE.finditer(source):
        pieces.append(source[at : found.start()])
        length += found.start() - at
        decoded.append(length)
        origin.append(found.start())
        character = _character(found)
        pieces.append(character)
        length += len(character)
        at = found.end()
        decoded.append(length)
        origin.append(at)
    pieces.append(source[at:])
    return DecodedText("".join(pieces), decoded, origin)


def _character(found: re.Match[str]) -> str:
    high, low, code, short = found.groups()
    if short is not None:
        return SHORT.get(str(short), str(short))
    if code is not None:
        return chr(int(code, 16))
    return chr(0x10000 + (int(high, 16) - 0xD800 << 10) + int(low, 16) - 0xDC00)


def escape(text: str) -> str:
    """Return ``text`` as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
