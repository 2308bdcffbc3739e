"""A normalised view of a text, with an offset map back to the original.

Zero-width characters and soft hyphens are removed; full-width forms, digits of other
scripts, dashes and spaces become their ASCII twins, one for one; written escapes of line
ends and tabs (``\\n`` in quoted JSON or code) become spaces, so that they are borders.
ASCII text is its own view at no cost. The map is monotone: view index → original index.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

__all__ = ["NormalView", "normalise"]

REMOVED = dict.fromkeys(
    [
        *(0x00AD, 0x034F, 0x180E, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0x2061, 0x2062, 0x2063),
        *(0x2064, 0xFEFF, *range(0xFE00, 0xFE10), *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    ]
)
DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
DOTS = "\u3002\uff0e\uff61\u2024"
SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"


ESCAPED = re.compile(r"\\[nrt]")


class NormalView:
    """``text`` is the view; ``original(i)`` the original index of view index ``i``."""

    __slots__ = ("_map", "text")

    def __init__(self, text: str, map: Sequence[int] | None) -> None:
        self.text = text
        self._map = map

    def index(self, position: int) -> int:
        """Map an index below the view's end to the original's."""
        return position if self._map is None else self._map[position]

    def view_index(self, position: int) -> int:
        """Map an original index to the first view index at or after it."""
        return position if self._map is None else bisect_left(self._map, position)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty view span to the original's."""
        if self._map is None:
            return start, end
        return self._map[start], self._map[end - 1] + 1


@lru_cache(maxsize=4096)
def _ascii(character: str) -> str:
    if character in DASHES:
        return "-"
    if character in SPACES:
        return " "
    if character in DOTS:
        return "."
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.digit(character))
    code = ord(character)
    if 0xFF01 <= code <= 0xFF5E:  # noqa: PLR2004 (the full-width block)
        return chr(code - 0xFEE0)
    if character in "\ufe6b\uff20":
        return "@"
    return character


def normalise(text: str) -> NormalView:
    """Return the view of ``text``."""
    if text.isascii():
        return NormalView(_unescaped(text), None)
    special = {character for character in set(text) if not character.isascii()}
    table = {ord(character): _ascii(character) for character in special if ord(character) not in REMOVED}
    if not any(ord(character) in REMOVED for character in special):
        return NormalView(_unescaped(text.translate(table)), None)
    kept = [index for index, character in enumerate(text) if ord(character) not in REMOVED]
    shown = "".join([text[index] for index in kept]).translate(table)
    return NormalView(_unescaped(shown), kept)


def _unescaped(text: str) -> str:
    return ESCAPED.sub("  ", text) if "\\" in text else text
