"""What recognizers look at: the normalised text, and anchors found once for all of them.

Every recognizer decides about a candidate from ``LEFT`` code points before its start and
``RIGHT`` after it, each anchor on its own, never from where a text begins or ends beyond
that. This locality lets long texts be screened in windows, and makes streaming equal
batch: see ``incremental.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

__all__ = [
    "CONTEXT",
    "LEFT",
    "MAX_ANNOUNCED",
    "MAX_CANDIDATE",
    "RIGHT",
    "Candidate",
    "Recognizer",
    "View",
    "ascii_word",
]


CONTEXT = 64
"""Code points to the left of a candidate in which context words count."""

LEFT = 96
"""What decides about a candidate stands at most this far left of its start."""

MAX_CANDIDATE = 256
"""The longest candidate, but for tokens and blocks that announce themselves."""

RIGHT = MAX_CANDIDATE + 64
"""What decides about a candidate stands at most this far right of its start."""

MAX_ANNOUNCED = 8192
"""The longest JWT or private key; what goes on longer is a finding of this length."""

DIGITS = re.compile(r"[0-9]+")
GAP = re.compile(r"[ \-.()/]{1,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A confirmed span of the view with what it may be; overlaps are resolved later."""

    entity_type: str
    start: int
    end: int
    score: float
    recognizer: str


class Recognizer(Protocol):
    """Finds candidates of a few types. Pure; linear in the length of the text."""

    name: str

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield confirmed candidates, in any order."""
        ...


def ascii_word(character: str) -> bool:
    """Whether a character is an ASCII letter or digit; all others are borders."""
    return character.isascii() and character.isalnum()


class View:
    """A text to look at. Everything here is a function of the text alone."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def lower(self) -> str:
        """The text in lower case; letters whose case changes the length stay as they are."""
        lowered = self.text.lower()
        if len(lowered) == len(self.text):
            return lowered
        return "".join(c.lower() if len(c.lower()) == 1 else c for c in self.text)

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Every maximal group of ASCII digits."""
        return tuple(found.span() for found in DIGITS.finditer(self.text))

    def sequences(self, first: int, *, digits: int) -> Iterator[tuple[int, str]]:
        """Yield (end, digits) of the group sequences that begin with group ``first``.

        Groups belong together if at most three separators stand between them; a sequence
        has at most ``digits`` digits, so this is a bounded amount of work.
        """
        text, groups = self.text, self.groups
        collected = ""
        previous = groups[first][0]
        for start, end in groups[first:]:
            if start != previous and not GAP.fullmatch(text, previous, start):
                return
            if len(collected) + end - start > digits:
                return
            collected += text[start:end]
            previous = end
            yield end, collected

    def before(self, start: int) -> str:
        """The context left of a candidate, in lower case."""
        return self.lower[max(0, start - CONTEXT) : start]

    def word_at(self, index: int) -> bool:
        """Whether an ASCII letter or digit stands at ``index``."""
        return 0 <= index < len(self.text) and ascii_word(self.text[index])

    def char(self, index: int) -> str:
        """The character at ``index``, or nothing outside of the text."""
        return self.text[index] if 0 <= index < len(self.text) else ""

    def occurrences(self, anchor: str, *, lower: bool = False) -> Iterator[int]:
        """Yield where a literal anchor stands."""
        text = self.lower if lower else self.text
        at = text.find(anchor)
        while at >= 0:
            yield at
            at = text.find(anchor, at + 1)
