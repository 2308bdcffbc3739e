"""Conditions as policies write them: the closed vocabulary of ``when``, ``unless`` and ``exempt``.

Sets of words, a range of scores, patterns with ``*``, and ``any``/``all``/``not``. Every
error says file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from guard.domain.entities import CATALOGUE, Group
from guard.domain.positioned import Node, problem
from guard.policy.condition import All, AnyOf, Atom, Condition, Not, Score

__all__ = ["read_condition"]

ATTRIBUTES = ("application", "purpose", "model", "region")
VALUE = re.compile(r"[A-Za-z0-9*][A-Za-z0-9._:/@*+ -]{0,127}")
"""Names and patterns; of the characters that patterns know elsewhere only ``*`` is one here."""

NO_SCORE = 2.0
"""Above every score: a range without an upper end."""


def read_condition(node: Node) -> Condition:
    """Read a condition; every word in it must hold. Raises ``ConfigurationError``."""
    members = node.mapping()
    terms: list[Condition] = []
    if types := members.get("entity_type"):
        terms.append(Atom("entity_type", frozenset(item.word(CATALOGUE) for item in _some(types))))
    if groups := members.get("group"):
        terms.append(_group(groups))
    if score := members.get("score"):
        terms.append(_score(score))
    for name in ATTRIBUTES:
        if values := members.get(name):
            terms.append(Atom(name, frozenset(_value(item) for item in _some(values))))
    if several := members.get("any"):
        terms.append(AnyOf(_nested(several)))
    if every := members.get("all"):
        terms.append(All(_nested(every)))
    if inner := members.get("not"):
        terms.append(Not(read_condition(inner)))
    members.finish()
    if not terms:
        raise problem(node.place, "a condition that says nothing; leave it out to match all")
    return terms[0] if len(terms) == 1 else All(tuple(terms))


def _some(node: Node) -> list[Node]:
    """Return the members of a list that has some; a single value is a list of one."""
    items = node.items() if isinstance(node.value, list) else [node]
    if not items:
        raise problem(node.place, "an empty list matches nothing; leave it out or name something")
    return items


def _nested(node: Node) -> tuple[Condition, ...]:
    items = node.items()
    if not items:
        raise problem(node.place, "an empty list of conditions; leave it out")
    return tuple(read_condition(item) for item in items)


def _group(node: Node) -> Condition:
    words: Iterable[str] = [group.value for group in Group]
    wanted = {item.word(words) for item in _some(node)}
    return Atom("entity_type", frozenset(row.name for row in CATALOGUE.values() if row.group.value in wanted))


def _value(node: Node) -> str:
    text = node.text()
    if VALUE.fullmatch(text) is None:
        raise problem(node.place, f"{text!r} is no name or pattern (letters, digits, . _ - : / @ + and *)")
    return text


def _score(node: Node) -> Condition:
    members = node.mapping()
    low, high = members.get("at_least"), members.get("below")
    members.finish()
    if low is None and high is None:
        raise problem(node.place, "expected at_least, below or both")
    return Score(low.number(0, 1) if low else 0.0, high.number(0, 1) if high else NO_SCORE)
