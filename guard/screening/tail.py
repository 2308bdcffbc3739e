"""The end of a text that may go on: where what is growing there began.

Every look goes backwards from the end over one set of characters, so it costs what is
open and not what was said.
"""

from __future__ import annotations

import re
from functools import cached_property

__all__ = ["Tail", "trailing"]

RUN_REACH = 320
NUMBER_REACH = 96
RUN = re.compile(r"[^\s\u2e80-\u3001\u3003-\uff60\uff62-\U0010ffff]{0,320}")
"""Han, kana and the like are borders, but for the ideographic full stop: domains may have it."""

NUMBER = re.compile(r"[0-9 +\-.()/]{0,96}")
BEGINNING = re.compile(r"[0-9+(]")


def trailing(pattern: re.Pattern[str], text: str, reach: int) -> int:
    """Return where the longest end of ``text`` begins that ``pattern``, read backwards, matches.

    ``pattern`` is one repeated set that matches at most ``reach`` characters.
    """
    found = pattern.match(text[: -reach - 1 : -1])
    return len(text) - (found.end() if found else 0)


class Tail:
    """The text so far. Everything here is a function of the text alone."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def run(self) -> int:
        """Where the last run without a space or border begins; at most 320 from the end."""
        return trailing(RUN, self.text, RUN_REACH)

    @cached_property
    def number(self) -> int:
        """Where the last digits with their signs and separators begin; at most 96 from the end."""
        start = trailing(NUMBER, self.text, NUMBER_REACH)
        found = BEGINNING.search(self.text, start)
        return found.start() if found else len(self.text)
