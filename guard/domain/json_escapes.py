"""JSON inside strings, edited by spans: what its escapes stand for, and back (RFC 8259 §7)."""

from __future__ import annotations

import json
import re
from bisect import bisect_right

__all__ = ["DecodedText", "decode", "escape"]

ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})(?:\\u([Dd][C-Fc-f][0-9A-Fa-f]{2}))?|([\"\\/bfnrt]))")
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
    high, low, short = found.groups()
    if short is not None:
        return SHORT.get(str(short), str(short))
    code = int(high, 16)
    if not 0xD800 <= code < 0xDC00:  # noqa: PLR2004 (the high surrogates)
        # A low half that followed is not ours to decode: it stays written.
        return chr(code) + (found.group()[6:] if low else "")
    return chr(0x10000 + (code - 0xD800 << 10) + int(low, 16) - 0xDC00) if low else found.group()


def escape(text: str) -> str:
    """Return ``text`` as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
