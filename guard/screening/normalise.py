"""A normalised view of a text, with an offset map back to the original.

Zero-width characters and soft hyphens are removed; full-width forms, digits of other
scripts, dashes and spaces become their ASCII twins, one for one; written escapes of line
ends and tabs (``\\n`` in quoted JSON or code) become spaces, so that they are borders.
ASCII text is its own view at no cost. The map is monotone: view index → original index.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType

__all__ = ["REMOVED_AT_ONCE", "NormalView", "normalise"]

REMOVED_AT_ONCE = 64
"""Of a longer row of invisible characters the rest stays, so that what is held of a stream is bounded."""

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Invisible by themselves: format characters, fillers, variation selectors, tags (Unicode's
``Default_Ignorable_Code_Point``, and annotations)."""

NOT_ASCII = re.compile("[^\x00-\x7f]+")
REMOVED = re.compile(f"(?<![{INVISIBLE}])[{INVISIBLE}]{{1,{REMOVED_AT_ONCE}}}")

DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
DOTS = "\uff0e\u2024"
SPACES = "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
SIGNS = "\ufe6b"

ESCAPED = re.compile(r"\\[nrt]")
MANY = 24
"""Up to this many different characters, replacing one after the other is faster than a table."""


def _folds() -> Mapping[str, str]:
    folds = {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    folds |= {
        character: str(unicodedata.digit(character))
        for character in map(chr, range(0x80, 0x20000))
        if unicodedata.category(character) == "Nd"
    }
    for characters, twin in ((DASHES, "-"), (DOTS, "."), (SPACES, " "), (SIGNS, "@")):
        folds |= dict.fromkeys(characters, twin)
    return MappingProxyType(folds)


FOLDS = _folds()
"""Each character that is read as an ASCII one, one for one."""

HIDDEN = re.compile(f"[{INVISIBLE}]")


class NormalView:
    """``text`` is the view; ``original(i)`` the original index of view index ``i``.

    ``kept``: view indices where a piece of the original begins again after something that
    was removed; ``origins``: the original's. Both begin with 0 unless nothing was removed.
    """

    __slots__ = ("_kept", "_origins", "text")

    def __init__(self, text: str, kept: Sequence[int] = (), origins: Sequence[int] = ()) -> None:
        self.text = text
        self._kept = kept
        self._origins = origins

    def index(self, position: int) -> int:
        """Map an index below the view's end to the original's."""
        if not self._kept:
            return position
        piece = bisect_right(self._kept, position) - 1
        return self._origins[piece] + position - self._kept[piece]

    def view_index(self, position: int) -> int:
        """Map an original index to the first view index at or after it."""
        if not self._kept:
            return position
        piece = bisect_right(self._origins, position) - 1
        reached = self._kept[piece] + position - self._origins[piece]
        following = self._kept[piece + 1] if piece + 1 < len(self._kept) else len(self.text)
        return min(reached, following)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty view span to the original's."""
        if not self._kept:
            return start, end
        return self.index(start), self.index(end - 1) + 1


def normalise(text: str) -> NormalView:
    """Return the view of ``text``."""
    if text.isascii():
        return NormalView(_unescaped(text))
    foreign = "".join(set("".join(NOT_ASCII.findall(text))))
    if HIDDEN.search(foreign) is None:
        return NormalView(_unescaped(_folded(text, foreign)))
    pieces: list[str] = []
    kept: list[int] = []
    origins: list[int] = []
    length = at = 0
    for removed in REMOVED.finditer(text):
        pieces.append(text[at : removed.start()])
        kept.append(length)
        origins.append(at)
        length += removed.start() - at
        at = removed.end()
    kept.append(length)
    origins.append(at)
    pieces.append(text[at:])
    return NormalView(_unescaped(_folded("".join(pieces), foreign)), kept, origins)


def _folded(text: str, foreign: str) -> str:
    """Fold a text whose characters beyond ASCII are ``foreign``."""
    present = FOLDS.keys() & set(foreign)
    if len(present) > MANY:
        return text.translate({ord(character): FOLDS[character] for character in present})
    for character in present:
        text = text.replace(character, FOLDS[character])
    return text


def _unescaped(text: str) -> str:
    return ESCAPED.sub("  ", text) if "\\" in text else text
