"""What recognizers look at: the normalised text, and anchors found once for all of them.

Every recognizer decides about a candidate from ``LEFT`` code points before its start and
``RIGHT`` after it, each anchor on its own, never from where a text begins or ends beyond
that. This locality lets long texts be screened in windows, and makes streaming equal
batch: see ``incremental.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

from guard.screening.tail import Tail

__all__ = [
    "CONTEXT",
    "LEFT",
    "MAX_ANNOUNCED",
    "MAX_CANDIDATE",
    "MAX_UNBROKEN",
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

MAX_UNBROKEN = 2048
"""The longest value without a space behind a word that announces a secret."""

MAX_ANNOUNCED = 8192
"""The longest JWT or private key; what goes on longer is a finding of this length."""

DIGITS = re.compile(r"[0-9]+")
GAP = re.compile(r"[ \-.()/]{1,3}")
GAP_MAX = 3
CHAIN = re.compile(r"[0-9]+(?:[ \-.()/]{1,3}[0-9]+)*")
LEAST_DIGITS = 7
"""The fewest digits of any number that is looked for group by group."""


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

    def open_at(self, tail: Tail) -> int:
        """Return the least index from which text that follows may begin or change a candidate.

        What must follow an end before it is final counts as open.
        """
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
    def chains(self) -> list[tuple[int, int]]:
        """Every maximal chain of digit groups with one to three separators between them."""
        return [found.span() for found in CHAIN.finditer(self.text)]

    @cached_property
    def groups(self) -> tuple[tuple[int, int], ...]:
        """Every maximal group of ASCII digits in a chain that holds enough of them for a number."""
        groups: list[tuple[int, int]] = []
        for start, end in self.chains:
            if end - start >= LEAST_DIGITS:
                chain = [found.span() for found in DIGITS.finditer(self.text, start, end)]
                if sum([stop - begin for begin, stop in chain]) >= LEAST_DIGITS:
                    groups += chain
        return tuple(groups)

    @cached_property
    def by_length(self) -> Mapping[int, Sequence[tuple[int, int, int]]]:
        """The (index, start, end) of ``groups`` by their number of digits."""
        lengths: dict[int, list[tuple[int, int, int]]] = {}
        for index, (start, end) in enumerate(self.groups):
            lengths.setdefault(end - start, []).append((index, start, end))
        return lengths

    def of_length(self, *lengths: int) -> Sequence[tuple[int, int, int]]:
        """Return (index, start, end) of the groups with one of ``lengths``."""
        if not self.groups:
            return ()
        return [group for length in lengths for group in self.by_length.get(length, ())]

    def sequences(self, first: int, *, digits: int) -> Iterator[tuple[int, str]]:
        """Yield (end, digits) of the group sequences that begin with group ``first``.

        Groups belong together if at most three separators stand between them; a sequence
        has at most ``digits`` digits, so this is a bounded amount of work.
        """
        text, groups = self.text, self.groups
        collected = ""
        previous = groups[first][0]
        for index in range(first, len(groups)):
            start, end = groups[index]
            if start != previous and (start - previous > GAP_MAX or not GAP.fullmatch(text, previous, start)):
                return
            if len(collected) + end - start > digits:
                return
            collected += text[start:end]
            previous = end
            yield end, collected

    def joined(self, first: int, lengths: tuple[int, ...], separators: str) -> int | None:
        """Return the end of groups of exactly ``lengths`` with one and the same separator.

        ``None`` if group ``first`` does not begin such a sequence.
        """
        groups = self.groups[first : first + len(lengths)]
        if tuple(end - start for start, end in groups) != lengths:
            return None
        separator = self.char(groups[0][1])
        if not separator or separator not in separators:
            return None
        for (_, end), (start, _) in pairwise(groups):
            if start != end + 1 or self.text[end] != separator:
                return None
        return groups[-1][1]

    def before(self, start: int, reach: int = CONTEXT) -> str:
        """The context left of a candidate, in lower case."""
        return self.lower[max(0, start - reach) : start]

    def word_at(self, index: int) -> bool:
        """Whether an ASCII letter or digit stands at ``index``."""
        return 0 <= index < len(self.text) and ascii_word(self.text[index])

    def digit_at(self, index: int) -> bool:
        """Whether an ASCII digit stands at ``index``."""
        return "0" <= self.char(index) <= "9"

    def char(self, index: int) -> str:
        """The character at ``index``, or nothing outside of the text."""
        return self.text[index] if 0 <= index < len(self.text) else ""

    def number_begins(self, start: int) -> bool:
        """Whether nothing before ``start`` makes what stands there part of a longer number or name."""
        before = self.char(start - 1)
        if before in ("_", "+") or self.word_at(start - 1):
            return False
        return before not in (".", "-", "/") or not self.digit_at(start - 2)

    def number_ends(self, end: int) -> bool:
        """Whether nothing after ``end`` makes what stands before it part of a longer number or name."""
        after = self.char(end)
        if after == "_" or self.word_at(end):
            return False
        return after not in (".", "-", "/") or not self.digit_at(end + 1)

    def present(self, anchors: Iterable[str], *, lower: bool = False) -> list[str]:
        """Return those of the literal anchors that stand somewhere; of many hardly any do."""
        text = self.lower if lower else self.text
        return [anchor for anchor in anchors if anchor in text]

    def occurrences(self, anchor: str, *, lower: bool = False) -> Sequence[int]:
        """Return where a literal anchor stands."""
        text = self.lower if lower else self.text
        at = text.find(anchor)
        found: list[int] = []
        while at >= 0:
            found.append(at)
            at = text.find(anchor, at + 1)
        return found
