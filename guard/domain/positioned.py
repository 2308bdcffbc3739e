"""YAML whose every value knows its line and column, so that an error can point at it.

Refused: duplicate keys, aliases and anchors (they can blow up), tags, several documents.
Reading is by member: ``Mapping.finish`` refuses what nobody asked for, with a suggestion.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

import yaml

from guard.domain.canonical import Json
from guard.errors import ConfigurationError

__all__ = ["Mapping", "Node", "load", "plain", "problem"]

MAX_BYTES = 2 * 2**20
WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,18})")
FRACTION = re.compile(r"[+-]?[0-9]{1,18}\.[0-9]{0,18}")
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Mark(Protocol):
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands; lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


def problem(place: Place, message: str) -> ConfigurationError:
    """Return an error that begins with its place."""
    return ConfigurationError(f"{place}: {message}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return what the writer may have meant."""
    options = sorted(known)
    close = difflib.get_close_matches(word, options, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(options)}"


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place; ``value`` is a scalar, a list of nodes or a dict of nodes.

    ``named``: where its name stands, for a member of an object.
    """

    place: Place
    value: Scalar | list[Node] | dict[str, Node]
    named: Place | None = None

    def mapping(self) -> Mapping:
        """Return the value as an object to be read member by member."""
        if not isinstance(self.value, dict):
            raise problem(self.place, "expected a mapping (name: value)")
        return Mapping(self.place, self.value)

    def items(self) -> list[Node]:
        """Return the members of a list."""
        if not isinstance(self.value, list):
            raise problem(self.place, "expected a list")
        return self.value

    def text(self) -> str:
        """Return a string."""
        if not isinstance(self.value, str):
            raise problem(self.place, "expected a text")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """Return strings; a single one counts as a list of one."""
        if isinstance(self.value, str):
            return (self.value,)
        return tuple(node.text() for node in self.items())

    def number(self, low: float, high: float) -> float:
        """Return a number within a range."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            raise problem(self.place, "expected a number")
        if not low <= self.value <= high:
            raise problem(self.place, f"expected a number from {low:g} to {high:g}")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """Return a whole number within a range."""
        number = self.number(low, high)
        if not isinstance(self.value, int):
            raise problem(self.place, "expected a whole number")
        return int(number)

    def word(self, words: Iterable[str]) -> str:
        """Return one of ``words``."""
        known = list(words)
        text = self.text()
        if text not in known:
            raise problem(self.place, f"{text!r} is not known; {suggestion(text, known)}")
        return text


@dataclass(slots=True)
class Mapping:
    """An object that is read member by member."""

    place: Place
    members: dict[str, Node]
    asked: set[str] = field(default_factory=set)

    def get(self, name: str) -> Node | None:
        """Return a member, or ``None`` if it is absent or null."""
        self.asked.add(name)
        node = self.members.get(name)
        return None if node is None or node.value is None else node

    def need(self, name: str) -> Node:
        """Return a member that must be there."""
        node = self.get(name)
        if node is None:
            raise problem(self.place, f"{name!r} is missing")
        return node

    def finish(self) -> None:
        """Refuse members that nobody asked for."""
        for name, node in self.members.items():
            if name not in self.asked:
                raise problem(
                    node.named or node.place, f"{name!r} is not known; {suggestion(name, self.asked)}"
                )


def load(data: bytes, *, file: str) -> Node:
    """Parse one YAML document. Raises ``ConfigurationError`` with its place."""
    if len(data) > MAX_BYTES:
        raise ConfigurationError(f"{file}: larger than {MAX_BYTES} bytes")
    try:
        events = list(yaml.parse(data, Loader=Loader))
        for event in events:
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise problem(_place(event.start_mark, file), "aliases and anchors are not used here")
            if getattr(event, "tag", None):
                raise problem(_place(event.start_mark, file), "tags are not used here")
        root = yaml.compose(data, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        where = _place(error.problem_mark or error.context_mark, file)
        raise problem(where, f"not YAML: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise ConfigurationError(f"{file}: not YAML in UTF-8") from None
    if root is None:
        raise ConfigurationError(f"{file}: empty")
    return _node(root, file, 0)


def _place(mark: _Mark | None, file: str) -> Place:
    if mark is None:
        return Place(file, 1, 1)
    return Place(file, mark.line + 1, mark.column + 1)


MAX_DEPTH = 32


def _node(node: yaml.Node, file: str, depth: int) -> Node:
    place = _place(node.start_mark, file)
    if depth > MAX_DEPTH:
        raise problem(place, "nested too deeply")
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if not isinstance(name, str):
                raise problem(_place(key.start_mark, file), "expected a name")
            if name in members:
                raise problem(_place(key.start_mark, file), f"{name!r} stands here twice")
            members[name] = replace(_node(value, file, depth + 1), named=_place(key.start_mark, file))
        return Node(place, members)
    if isinstance(node, yaml.SequenceNode):
        return Node(place, [_node(member, file, depth + 1) for member in node.value])
    return Node(place, _scalar(node, place))


def _scalar(node: yaml.Node, place: Place) -> Scalar:
    kind = node.tag.rpartition(":")[2]
    written = str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return written.lower() in ("true", "yes", "on")
    # Neither 0x1F nor 1:30, nor 010, which is eight to some readers and ten to others.
    if kind == "int" and WHOLE.fullmatch(written):
        return int(written)
    if kind == "float" and FRACTION.fullmatch(written):
        return float(written)
    if kind in ("int", "float"):
        raise problem(place, "expected a plain number")
    if kind in ("str", "timestamp"):
        return written
    raise problem(place, "tags are not used here")


def plain(node: Node) -> Json:
    """Return the content without places; fractions as they are written, because digests know no floats."""
    value = node.value
    if isinstance(value, dict):
        return {name: plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, float):
        return {"fraction": repr(value)}
    return value
