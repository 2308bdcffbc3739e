"""What a rule on answers holds back until more is known (``hold:`` in a policy, DESIGN §2).

A holder sits behind screening and restoring and lets through what may go: all of it,
whole sentences, or nothing until the end. What it lets through of a text depends on that
text alone, never on how it was cut.
"""

from __future__ import annotations

import re

from guard.domain.decision import Holdback

__all__ = ["Holder"]

SENTENCE = re.compile(r"[.!?…][\"'”’)\]]*(?=\s)|[。！？]|\n")


class Holder:
    """Holds one channel. ``Holdback.ANSWER`` holds like a part; the choice adds the rest."""

    def __init__(self, level: Holdback) -> None:
        self._level = level
        self._held = ""

    def feed(self, text: str) -> str:
        """Take text, return what may go."""
        if self._level is Holdback.NONE:
            return text
        self._held += text
        if self._level is not Holdback.SENTENCE:
            return ""
        ends = [found.end() for found in SENTENCE.finditer(self._held)]
        going = self._held[: ends[-1]] if ends else ""
        self._held = self._held[len(going) :]
        return going

    def close(self) -> str:
        """Return the rest: nothing in the text was stopped."""
        held, self._held = self._held, ""
        return held
