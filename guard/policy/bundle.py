"""Screening policy as written: rules with a closed, decidable vocabulary (DESIGN §5).

``screening.yaml`` is read into frozen values; every error says file, line and column. No
code, no expressions: sets, ranges, patterns with ``*`` and ``any``/``all``/``not``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from guard.domain import positioned
from guard.domain.canonical import digest
from guard.domain.decision import Direction, Holdback, Operator
from guard.domain.entities import CATALOGUE, Group
from guard.domain.positioned import Node
from guard.policy.condition import All, Always, AnyOf, Atom, Condition, Not, Score

__all__ = ["OPERATORS", "Bundle", "Rule", "load_bundle"]

API_VERSION = "guard/v1"
KIND = "ScreeningPolicy"
OPERATORS = {
    operator.word: operator
    for operator in (Operator.KEEP, Operator.MASK, Operator.SURROGATE, Operator.REDACT, Operator.BLOCK)
}
"""Operators that this version applies."""

UNMATCHED = ("block", "redact", "allow")
ATTRIBUTES = ("application", "purpose", "model", "region")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """If a finding of ``direction`` meets ``when`` and not ``unless``, apply ``operator``.

    ``types``: the entity types that the rule can speak about, for the index. ``hold``: how
    much of an answer waits until all of it is screened; only rules on answers say so.
    """

    name: str
    direction: Direction
    types: frozenset[str]
    when: Condition
    unless: Condition | None
    operator: Operator
    parameters: Mapping[str, int]
    hold: Holdback
    reason: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A policy as read; ``unmatched`` by direction is an operator."""

    name: str
    unmatched: Mapping[Direction, Operator]
    thresholds: Mapping[str, float]
    rules: tuple[Rule, ...]
    digest: str = field(default="")


def load_bundle(data: bytes, *, file: str = "screening.yaml") -> Bundle:
    """Read a policy. Raises ``ConfigurationError`` with file:line:column."""
    node = positioned.load(data, file=file)
    top = node.mapping()
    top.need("apiVersion").word([API_VERSION])
    top.need("kind").word([KIND])
    metadata = top.need("metadata").mapping()
    name = metadata.need("name").text()
    metadata.finish()
    spec = top.need("spec").mapping()
    top.finish()
    unmatched = _unmatched(spec.need("unmatched"))
    thresholds = _thresholds(spec.get("thresholds"))
    rules = tuple(_rule(rule) for rule in spec.need("rules").items())
    spec.finish()
    seen: set[str] = set()
    for rule, source in zip(rules, spec.members["rules"].items(), strict=True):
        if rule.name in seen:
            raise positioned.problem(source.place, f"a second rule is named {rule.name!r}")
        seen.add(rule.name)
    return Bundle(
        name=name,
        unmatched=unmatched,
        thresholds=thresholds,
        rules=rules,
        digest=digest(positioned.plain(node)),
    )


def _unmatched(node: Node) -> Mapping[Direction, Operator]:
    def operator(word: Node) -> Operator:
        chosen = word.word(UNMATCHED)
        return Operator.KEEP if chosen == "allow" else OPERATORS[chosen]

    if isinstance(node.value, str):
        return {direction: operator(node) for direction in Direction}
    members = node.mapping()
    chosen = {direction: operator(members.need(direction.value)) for direction in Direction}
    members.finish()
    return chosen


def _thresholds(node: Node | None) -> Mapping[str, float]:
    if node is None:
        return {}
    members = node.mapping()
    chosen: dict[str, float] = {}
    for name, value in members.members.items():
        if name not in CATALOGUE:
            raise positioned.problem(
                value.place, f"{name!r} is no entity type; {positioned.suggestion(name, CATALOGUE)}"
            )
        chosen[name] = value.number(0, 1)
    return chosen


def _rule(node: Node) -> Rule:
    members = node.mapping()
    name = members.need("name").text()
    direction = Direction(members.need("direction").word([d.value for d in Direction]))
    when_node = members.get("when")
    when = _condition(when_node) if when_node else Always()
    unless_node = members.get("unless")
    operator, parameters = _action(members.need("action"))
    reason = members.get("reason")
    members_hold = members.get("hold")
    members.finish()
    return Rule(
        name=name,
        direction=direction,
        types=frozenset(name for name in CATALOGUE if when.possible(name)),
        when=when,
        unless=_condition(unless_node) if unless_node else None,
        operator=operator,
        parameters=parameters,
        hold=_hold(members_hold, direction) if members_hold else Holdback.NONE,
        reason=reason.text() if reason else "",
        place=str(node.place),
    )


def _hold(node: Node, direction: Direction) -> Holdback:
    level = Holdback[node.word([level.word for level in Holdback if level]).upper()]
    if direction is Direction.REQUEST:
        raise positioned.problem(node.place, "'hold' belongs to rules on answers; a request is always whole")
    return level


def _action(node: Node) -> tuple[Operator, Mapping[str, int]]:
    if isinstance(node.value, str):
        return OPERATORS[node.word(OPERATORS)], {}
    members = node.mapping()
    mask = members.get("mask")
    if mask is None:
        raise positioned.problem(
            node.place, f"expected one of {', '.join(OPERATORS)}, or mask: {{keep_last: n}}"
        )
    members.finish()
    options = mask.mapping()
    keep_last = options.get("keep_last")
    options.finish()
    return Operator.MASK, {"keep_last": int(keep_last.number(0, 16))} if keep_last else {}


def _condition(node: Node) -> Condition:
    members = node.mapping()
    terms: list[Condition] = []
    types = members.get("entity_type")
    if types:
        known = list(CATALOGUE)
        items = types.items() if isinstance(types.value, list) else [types]
        terms.append(Atom("entity_type", frozenset(item.word(known) for item in items)))
    groups = members.get("group")
    if groups:
        items = groups.items() if isinstance(groups.value, list) else [groups]
        wanted = {item.word([group.value for group in Group]) for item in items}
        terms.append(
            Atom(
                "entity_type", frozenset(row.name for row in CATALOGUE.values() if row.group.value in wanted)
            )
        )
    score = members.get("score")
    if score:
        terms.append(_score(score))
    for name in ATTRIBUTES:
        wanted_node = members.get(name)
        if wanted_node:
            terms.append(Atom(name, frozenset(wanted_node.texts())))
    nested = members.get("any")
    if nested:
        terms.append(AnyOf(tuple(_condition(item) for item in nested.items())))
    nested = members.get("all")
    if nested:
        terms.append(All(tuple(_condition(item) for item in nested.items())))
    nested = members.get("not")
    if nested:
        terms.append(Not(_condition(nested)))
    members.finish()
    if not terms:
        raise positioned.problem(node.place, "a condition that says nothing; leave it out to match all")
    return terms[0] if len(terms) == 1 else All(tuple(terms))


def _score(node: Node) -> Condition:
    members = node.mapping()
    low, high = members.get("at_least"), members.get("below")
    members.finish()
    if low is None and high is None:
        raise positioned.problem(node.place, "expected at_least, below or both")
    return Score(low.number(0, 1) if low else 0.0, high.number(0, 1) if high else 2.0)
