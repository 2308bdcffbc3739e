"""A slow obvious twin of Python's regular expressions that counts its steps.

It tries every way in order and backtracks, as the engine in C does. Small repeats are
tried with a few turns only and larger ones without end, so what grows faster than the
text shows at small sizes already.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from tests.unit.screening.patterns import SMALL, Look, Node, One, Place, Refused, Repeat, Tree

__all__ = ["steps"]

TURNS = 4
ENDLESS = 10**9
DEEP = 20_000
PLACES = {
    "AT_BOUNDARY": re.compile(r"\b"),
    "AT_BEGINNING": re.compile(r"^"),
    "AT_BEGINNING_STRING": re.compile(r"\A"),
    "AT_END": re.compile(r"$"),
    "AT_END_STRING": re.compile(r"\Z"),
}

Then = Callable[[int], bool]


def steps(tree: Tree, text: str) -> int:
    """Count the steps of looking for a pattern everywhere in a text, as ``finditer`` does."""
    counter = _Counter(text)
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEP)
    try:
        at = 0
        while at <= len(text):
            end = counter.end_of(tree, at)
            at = at + 1 if end is None or end == at else end
    finally:
        sys.setrecursionlimit(before)
    return counter.count


class _Counter:
    def __init__(self, text: str) -> None:
        self._text = text
        self.count = 0

    def end_of(self, tree: Tree, at: int) -> int | None:
        """Return where a match that begins at ``at`` ends."""
        ends: list[int] = []

        def done(end: int) -> bool:
            ends.append(end)
            return True

        return ends[0] if self._all(tree, 0, at, done) else None

    def _all(self, tree: Tree, index: int, at: int, then: Then) -> bool:
        if index == len(tree):
            return then(at)
        return self._node(tree[index], at, lambda end: self._all(tree, index + 1, end, then))

    def _node(self, node: Node, at: int, then: Then) -> bool:
        self.count += 1
        if isinstance(node, One):
            return node.members.match(self._text, at) is not None and then(at + 1)
        if isinstance(node, Repeat):
            return self._repeat(node, at, then, 0)
        if isinstance(node, Look):
            return self._looks(node, at) == node.wanted and then(at)
        if isinstance(node, Place):
            if node.name not in PLACES:
                raise Refused(node.name)
            return PLACES[node.name].match(self._text, at) is not None and then(at)
        return any(self._all(way, 0, at, then) for way in node.ways)

    def _repeat(self, node: Repeat, at: int, then: Then, turn: int) -> bool:
        self.count += 1
        most = ENDLESS if node.most > SMALL else min(node.most, TURNS)

        def again(end: int) -> bool:
            return end > at and self._repeat(node, end, then, turn + 1)

        if turn < most and self._all(node.body, 0, at, again):
            return True
        return turn >= min(node.least, TURNS) and then(at)

    def _looks(self, node: Look, at: int) -> bool:
        start = at if node.ahead else at - node.width
        return start >= 0 and self._all(node.body, 0, start, lambda _: True)
