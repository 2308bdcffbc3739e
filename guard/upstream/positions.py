"""Position maps, closed by default: how each place of a body is treated (DESIGN §2).

A dialect describes the places it knows by rules. Everything a rule does not know is
*screened*: unknown fields, object keys, strings in free JSON, numbers of six digits and
more. Positions are written for people and hold no key that the caller made up, because
keys can be personal data too: the n-th unknown member of an object is ``{n}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from guard.domain.exchange import Encoding, Part, PartKind
from guard.errors import InvalidRequest
from guard.upstream.json_text import Json

__all__ = [
    "FREE",
    "AnyNumber",
    "Choice",
    "Each",
    "Flag",
    "Foreign",
    "Free",
    "Id",
    "JsonSource",
    "Members",
    "Number",
    "Path",
    "Places",
    "Refused",
    "Rule",
    "Words",
]

Path = tuple[str | int, ...]
ID = re.compile(r"[A-Za-z0-9_.:/@+\-]{1,256}")
LONG_NUMBER = 6
WHOLE = 2.0**64
"""From here on a float has no digits of its own that could be anybody's number."""


@dataclass(slots=True)
class Places:
    """Collects the parts of a body while rules walk it."""

    parts: list[Part] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)

    def add(
        self,
        text: str,
        position: str,
        path: Path,
        *,
        by_caller: bool,
        encoding: Encoding = Encoding.TEXT,
        kind: PartKind = PartKind.SCREENED,
    ) -> None:
        """Note one text."""
        self.parts.append(
            Part(
                index=len(self.parts),
                position=position,
                text=text,
                kind=kind,
                encoding=encoding,
                by_caller=by_caller,
            )
        )
        self.paths.append(path)


class Rule(Protocol):
    """How one place is treated. Raises ``InvalidRequest`` with its position."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Note the texts of ``value``."""
        ...


def wrong(position: str, expected: str) -> InvalidRequest:
    """Return the error for a value that does not fit its place."""
    return InvalidRequest(f"{position} must be {expected}", position=position)


@dataclass(frozen=True, slots=True)
class Free:
    """Free JSON: every string, key and long number is screened."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Note every text below ``value``; depth is bounded by the body's limits."""
        if isinstance(value, str):
            if value:
                places.add(value, position, path, by_caller=by_caller)
        elif isinstance(value, dict):
            for number, (key, member) in enumerate(value.items()):
                below = f"{position}{{{number}}}"
                unknown(key, member, below, (*path, key), places, by_caller=by_caller)
        elif isinstance(value, list):
            for number, member in enumerate(value):
                self.walk(member, f"{position}[{number}]", (*path, number), places, by_caller=by_caller)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            written = _written(value)
            if sum(character.isdigit() for character in written) >= LONG_NUMBER:
                places.add(written, position, path, by_caller=by_caller, encoding=Encoding.NUMBER)


FREE = Free()


def _written(number: float) -> str:
    """Return a number as people write it: ``4539148803436467.0`` is a card too."""
    whole = isinstance(number, float) and abs(number) < WHOLE and number.is_integer()
    return str(int(number)) if whole else repr(number)


def unknown(key: str, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
    """Screen a member that no rule knows: its key and everything in it."""
    if key:
        places.add(key, position, path, by_caller=by_caller, encoding=Encoding.KEY)
    FREE.walk(value, position, path, places, by_caller=by_caller)


@dataclass(frozen=True, slots=True)
class JsonSource:
    """JSON inside a string: edited by spans, never re-serialised."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Note the source."""
        if isinstance(value, str):
            if value:
                places.add(value, position, path, by_caller=by_caller, encoding=Encoding.JSON)
        else:
            FREE.walk(value, position, path, places, by_caller=by_caller)


@dataclass(frozen=True, slots=True)
class Id:
    """A bounded id: scanned like text, never edited."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Note the id."""
        if value is None:
            return
        if not isinstance(value, str) or not ID.fullmatch(value):
            raise wrong(position, "an id of at most 256 letters, digits and ._:/@+-")
        places.add(value, position, path, by_caller=by_caller, kind=PartKind.STRUCTURAL)


@dataclass(frozen=True, slots=True)
class Number:
    """A number within the schema's range."""

    low: float
    high: float

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Check the range."""
        if value is None:
            return
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and isinstance(value, int | float) and self.low <= value <= self.high):
            raise wrong(position, f"a number from {self.low:g} to {self.high:g}")


@dataclass(frozen=True, slots=True)
class AnyNumber:
    """A number of the provider's own counting passes; anything else is free JSON."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Screen whatever is no number."""
        if not isinstance(value, int | float):
            FREE.walk(value, position, path, places, by_caller=by_caller)


@dataclass(frozen=True, slots=True)
class Flag:
    """True, false or null."""

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Check the type."""
        if value is not None and not isinstance(value, bool):
            raise wrong(position, "true or false")


@dataclass(frozen=True, slots=True)
class Words:
    """One of a few words; any other value is screened like free JSON."""

    words: frozenset[str]

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Note the value unless it is one of the words."""
        if not (isinstance(value, str) and value in self.words):
            FREE.walk(value, position, path, places, by_caller=by_caller)


@dataclass(frozen=True, slots=True)
class Refused:
    """A place that must be empty, false or null."""

    message: str
    code: str

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Refuse anything that says something."""
        if value:
            raise InvalidRequest(self.message, code=self.code, position=position)


@dataclass(frozen=True, slots=True)
class Each:
    """A list whose members follow one rule; anything else follows ``otherwise``."""

    rule: Rule
    otherwise: Rule = FREE

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Walk the members."""
        if not isinstance(value, list):
            self.otherwise.walk(value, position, path, places, by_caller=by_caller)
            return
        for number, member in enumerate(value):
            self.rule.walk(member, f"{position}[{number}]", (*path, number), places, by_caller=by_caller)


@dataclass(frozen=True, slots=True)
class Members:
    """An object with known members; the others, and anything but an object, are free JSON.

    ``callers``: values of ``role`` whose object holds the caller's own words; ``None``
    passes on what the object stands in.
    """

    rules: Mapping[str, Rule]
    callers: frozenset[str] | None = None

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Walk the members in their order."""
        if not isinstance(value, dict):
            FREE.walk(value, position, path, places, by_caller=by_caller)
            return
        if self.callers is not None:
            role = value.get("role")
            by_caller = isinstance(role, str) and role in self.callers
        for number, (key, member) in enumerate(value.items()):
            rule = self.rules.get(key)
            if rule is None:
                unknown(key, member, f"{position}{{{number}}}", (*path, key), places, by_caller=by_caller)
            else:
                below = f"{position}.{key}" if position else key
                rule.walk(member, below, (*path, key), places, by_caller=by_caller)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A place whose words are not the caller's own, whoever wrote what stands round it."""

    rule: Rule

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Walk by the rule."""
        self.rule.walk(value, position, path, places, by_caller=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """An object whose ``type`` picks its rule; an unknown type is free JSON."""

    rules: Mapping[str, Rule]

    def walk(self, value: Json, position: str, path: Path, places: Places, *, by_caller: bool) -> None:
        """Walk by the rule of the type."""
        kind = value.get("type") if isinstance(value, dict) else None
        rule = self.rules.get(kind) if isinstance(kind, str) else None
        (rule or FREE).walk(value, position, path, places, by_caller=by_caller)
