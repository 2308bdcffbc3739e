"""Patterns as trees of four kinds of node, and the subset of them that may be used.

What is outside of the subset is refused: back-references, conditions, lazy, atomic and
possessive forms, looks further than a few characters, and an endless repeat after which a
match can still fail, unless what must follow cannot stand in the repeat (then a text can
be read in one way only). A repeat with a bound over ``SMALL`` counts as endless.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["SMALL", "Look", "Node", "One", "Place", "Refused", "Repeat", "Tree", "flat", "refuse", "tree_of"]

SMALL = 512
WIDTH = 10
SAMPLE = "".join(map(chr, range(128))) + "éK中。１\u200b"
CATEGORIES = {
    **{"CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w", "CATEGORY_DIGIT": r"\d"},
    **{"CATEGORY_NOT_SPACE": r"\S", "CATEGORY_NOT_WORD": r"\W", "CATEGORY_NOT_DIGIT": r"\D"},
}


class Refused(Exception):
    """A construct outside of the subset."""


@dataclass(frozen=True, slots=True)
class One:
    """One character of a set."""

    members: re.Pattern[str]

    def sample(self) -> frozenset[str]:
        """Return the characters of the sample that are in the set."""
        return frozenset(one for one in SAMPLE if self.members.match(one))


@dataclass(frozen=True, slots=True)
class Repeat:
    """A tree several times, as often as possible."""

    least: int
    most: int
    body: Tree

    @property
    def endless(self) -> bool:
        """Whether there is no small bound."""
        return self.most > SMALL


@dataclass(frozen=True, slots=True)
class Ways:
    """One of several trees, in order; a group has one."""

    ways: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """A look ahead or back that takes nothing."""

    ahead: bool
    wanted: bool
    width: int
    body: Tree


@dataclass(frozen=True, slots=True)
class Place:
    """A place that takes nothing: a border of a word, a beginning, an end."""

    name: str


Node = One | Repeat | Ways | Look | Place
Tree = tuple[Node, ...]
parser = importlib.import_module("re._parser")


def tree_of(pattern: re.Pattern[str]) -> Tree:
    """Return a compiled pattern's tree. Raises ``Refused``."""
    ignore_case = bool(pattern.flags & re.IGNORECASE)

    def nodes(tree: object) -> Tree:
        if not isinstance(tree, parser.SubPattern | list):
            raise Refused(str(tree))
        return tuple(node(str(kind), value) for kind, value in tree)

    def node(kind: str, value: object) -> Node:
        match kind, value:
            case "LITERAL" | "NOT_LITERAL" | "IN" | "ANY", _:
                return One(
                    re.compile(_written(kind, value), re.DOTALL | (re.IGNORECASE if ignore_case else 0))
                )
            case "MAX_REPEAT", (int(least), most, body):
                return Repeat(least, int(str(most)) if str(most).isdigit() else SMALL**3, nodes(body))
            case "BRANCH", (_, [*ways]):
                return Ways(tuple(nodes(way) for way in ways))
            case "SUBPATTERN", (_, _, _, body):
                return Ways((nodes(body),))
            case "ASSERT" | "ASSERT_NOT", (int(direction), body) if isinstance(body, parser.SubPattern):
                least, most = body.getwidth()
                if most > WIDTH:
                    raise Refused("a look further than a few characters")
                return Look(direction > 0, kind == "ASSERT", int(least), nodes(body))
            case "AT", _:
                return Place(str(value))
            case _:
                raise Refused(kind)

    return nodes(parser.parse(pattern.pattern, pattern.flags))


def _written(kind: str, value: object) -> str:
    """Write a set of characters again as a pattern."""
    match kind, value:
        case "LITERAL", int(code):
            return f"[{_escaped(code)}]"
        case "NOT_LITERAL", int(code):
            return f"[^{_escaped(code)}]"
        case "IN", list(members):
            return "[" + "".join(_member(str(what), which) for what, which in members) + "]"
        case _:
            return "."


def _member(kind: str, value: object) -> str:
    match kind, value:
        case "NEGATE", _:
            return "^"
        case "RANGE", (int(low), int(high)):
            return f"{_escaped(low)}-{_escaped(high)}"
        case "LITERAL", int(code):
            return _escaped(code)
        case _:
            return CATEGORIES[str(value)]


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"


def refuse(tree: Tree, then: Tree = ()) -> None:
    """Raise ``Refused`` for what is outside of the subset; ``then`` follows the tree."""
    for index, node in enumerate(tree):
        follows = (*tree[index + 1 :], *then)
        if isinstance(node, Repeat):
            _refuse_repeat(node, follows)
        elif isinstance(node, Ways):
            for way in node.ways:
                refuse(way, follows)
        elif isinstance(node, Look):
            refuse(node.body)


def _refuse_repeat(repeat: Repeat, follows: Tree) -> None:
    if repeat.endless:
        if not (_cannot_fail(follows) or _apart(repeat.body, follows)):
            raise Refused("an endless repeat whose continuation can fail")
        for inner in flat(repeat.body):
            if isinstance(inner, Repeat) and inner.endless and not _apart(inner.body, repeat.body):
                raise Refused("an endless repeat of an endless repeat")
    refuse(repeat.body, (*repeat.body, *follows) if repeat.most > 1 else follows)


def _cannot_fail(tree: Tree) -> bool:
    """Whether a continuation matches everywhere, at worst nothing."""
    return all(isinstance(node, Repeat) and node.least == 0 for node in tree)


def _apart(one: Tree, other: Tree) -> bool:
    """Whether no character stands both anywhere in ``one`` and at the beginning of ``other``."""
    inside = {character for node in flat(one) if isinstance(node, One) for character in node.sample()}
    return not inside & _firsts(other)


def _firsts(tree: Tree) -> set[str]:
    """Return the characters of the sample with which a tree may begin."""
    found: set[str] = set()
    for node in tree:
        if isinstance(node, One):
            return found | node.sample()
        if isinstance(node, Ways):
            return found.union(*(_firsts(way) for way in node.ways))
        if isinstance(node, Repeat):
            found |= _firsts(node.body)
            if node.least:
                return found
    return found


def flat(tree: Tree) -> Iterator[Node]:
    """Yield every node of a tree and of the trees in it, but for looks."""
    for node in tree:
        yield node
        if isinstance(node, Repeat):
            yield from flat(node.body)
        elif isinstance(node, Ways):
            for way in node.ways:
                yield from flat(way)
