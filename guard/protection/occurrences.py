"""Where known values occur in a text, in time linear in the text however many they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Occurrences"]

RUN = re.compile(r"[^\W_\u2e80-\U0010ffff]+")
"""Han, kana and the like do not separate words, so they are borders as in screening."""

FEW = 16
MANY = 200
"""Up to this many values, looking for each is faster than reading a long text run by run."""

WORD = 8
"""A text is long if it has so many characters for each value."""

TURN = 2048
"""Runs of a text that are read before others get a turn."""

LONG = 65_536
"""Code points from which on looking for one value is a turn."""

_Form = tuple[int, int]
"""Where in a value its first run begins, and how long the value is."""

NO_FORMS: Mapping[_Form, Mapping[str, None]] = {}


class Occurrences:
    """Finds values whose neighbours are neither letters nor digits of scripts that separate words.

    A value's first run of letters and digits is then a whole run of the text, so runs are
    looked up in a table. Values that begin alike are told apart by one look for each of
    their lengths: a thousand telephone numbers of one country cost as much as ten.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._by_run: dict[str, dict[_Form, dict[str, None]]] = {}
        self._count = 0
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Look for ``value`` too; one without letters and digits is never found."""
        first = RUN.search(value)
        if first is not None:
            forms = self._by_run.setdefault(first.group(), {})
            forms.setdefault((first.start(), len(value)), {})[value] = None
            self._count += 1

    def __bool__(self) -> bool:
        """Whether there is anything to find."""
        return bool(self._by_run)

    def find(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Yield (value, start, end) of each occurrence, in any order."""
        return (found for found in self.find_steps(text) if found is not None)

    def find_steps(self, text: str) -> Iterator[tuple[str, int, int] | None]:
        """Do the same, and yield ``None`` in between, so that a long look can take turns."""
        if self._count <= max(FEW, min(MANY, len(text) // WORD)):
            yield from self._each(text)
            return
        for number, run in enumerate(RUN.finditer(text), start=1):
            if number % TURN == 0:
                yield None
            for (offset, size), values in self._by_run.get(run.group(), NO_FORMS).items():
                start = run.start() - offset
                end = start + size
                if start >= 0 and (value := text[start:end]) in values and _free(text, start, end):
                    yield value, start, end

    def _each(self, text: str) -> Iterator[tuple[str, int, int] | None]:
        for run, forms in self._by_run.items():
            for offset, value in ((form[0], value) for form, values in forms.items() for value in values):
                start = text.find(value)
                while start >= 0:
                    end = start + len(value)
                    if _whole_run(text, start + offset, len(run)) and _free(text, start, end):
                        yield value, start, end
                    start = text.find(value, start + 1)
                if len(text) > LONG:
                    yield None


def _whole_run(text: str, start: int, size: int) -> bool:
    """Whether nothing of a longer run of letters and digits stands before or after."""
    return not (start and _word(text[start - 1])) and not _word(text[start + size : start + size + 1])


def _free(text: str, start: int, end: int) -> bool:
    return not (start and _word(text[start - 1])) and not _word(text[end : end + 1])


def _word(character: str) -> bool:
    return character.isalnum() and character < "\u2e80"
