"""Screening policy as written: rules with a closed, decidable vocabulary (DESIGN §5).

``screening.yaml`` is read into frozen values; every error says file, line and column. No
code and no expressions; conditions stand in ``vocabulary.py``. An exception is ``unless``
on a rule, or ``exempt`` beside the rules, which compiles to the same and must give a reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from guard.domain import positioned
from guard.domain.canonical import digest
from guard.domain.decision import Direction, Holdback, Operator
from guard.domain.entities import CATALOGUE
from guard.domain.positioned import Node, problem
from guard.policy.condition import Always, AnyOf, Condition
from guard.policy.vocabulary import read_condition

__all__ = ["OPERATORS", "UNMATCHED", "Bundle", "Exemption", "Rule", "load_bundle"]

API_VERSION = "guard/v1"
KIND = "ScreeningPolicy"
OPERATORS = {
    operator.word: operator
    for operator in (Operator.KEEP, Operator.MASK, Operator.SURROGATE, Operator.REDACT, Operator.BLOCK)
}
"""Operators that this version applies."""

UNMATCHED = "unmatched"
"""What decides about a finding that no rule matches; no rule may have this name."""

OTHERWISE = ("block", "redact", "allow")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
MOST_SHOWN = 16


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
class Exemption:
    """Where a rule does not apply, and why; part of that rule's ``unless`` already."""

    rule: str
    when: Condition
    reason: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A policy as read; ``unmatched`` by direction is an operator."""

    name: str
    unmatched: Mapping[Direction, Operator]
    thresholds: Mapping[str, float]
    rules: tuple[Rule, ...]
    exemptions: tuple[Exemption, ...] = ()
    digest: str = field(default="")


def load_bundle(data: bytes, *, file: str = "screening.yaml") -> Bundle:
    """Read a policy. Raises ``ConfigurationError`` with file:line:column."""
    node = positioned.load(data, file=file)
    top = node.mapping()
    top.need("apiVersion").word([API_VERSION])
    top.need("kind").word([KIND])
    metadata = top.need("metadata").mapping()
    name = _name(metadata.need("name"))
    metadata.finish()
    spec = top.need("spec").mapping()
    top.finish()
    unmatched = _unmatched(spec.need("unmatched"))
    thresholds = _thresholds(spec.get("thresholds"))
    rules = _rules(spec.need("rules"))
    exempt = spec.get("exempt")
    exemptions = _exemptions(exempt, rules) if exempt else ()
    spec.finish()
    return Bundle(
        name=name,
        unmatched=unmatched,
        thresholds=thresholds,
        rules=tuple(_exempted(rule, exemptions) for rule in rules.values()),
        exemptions=exemptions,
        digest=digest(positioned.plain(node)),
    )


def _name(node: Node) -> str:
    name = node.text()
    if NAME.fullmatch(name) is None:
        raise problem(node.place, f"{name!r} is no name (letters, digits, . _ -)")
    return name


def _unmatched(node: Node) -> Mapping[Direction, Operator]:
    def operator(word: Node) -> Operator:
        chosen = word.word(OTHERWISE)
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
    chosen: dict[str, float] = {}
    for name, value in node.mapping().members.items():
        if name not in CATALOGUE:
            known = positioned.suggestion(name, CATALOGUE)
            raise problem(value.named or value.place, f"{name!r} is no entity type; {known}")
        chosen[name] = value.number(0, 1)
    return chosen


def _rules(node: Node) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for item in node.items():
        rule = _rule(item)
        if rule.name in rules:
            raise problem(item.place, f"a second rule is named {rule.name!r}")
        rules[rule.name] = rule
    return rules


def _rule(node: Node) -> Rule:
    members = node.mapping()
    name_node = members.need("name")
    name = _name(name_node)
    if name == UNMATCHED:
        raise problem(name_node.place, f"{UNMATCHED!r} is what decides where no rule does; use another name")
    direction = Direction(members.need("direction").word([d.value for d in Direction]))
    when_node, unless_node = members.get("when"), members.get("unless")
    when = read_condition(when_node) if when_node else Always()
    operator, parameters = _action(members.need("action"), direction)
    reason, hold = members.get("reason"), members.get("hold")
    members.finish()
    return Rule(
        name=name,
        direction=direction,
        types=frozenset(name for name in CATALOGUE if when.possible(name)),
        when=when,
        unless=read_condition(unless_node) if unless_node else None,
        operator=operator,
        parameters=parameters,
        hold=_hold(hold, direction) if hold else Holdback.NONE,
        reason=reason.text() if reason else "",
        place=str(node.place),
    )


def _hold(node: Node, direction: Direction) -> Holdback:
    level = Holdback[node.word([level.word for level in Holdback if level]).upper()]
    if direction is Direction.REQUEST:
        raise problem(node.place, "'hold' belongs to rules on answers; a request is always whole")
    return level


def _action(node: Node, direction: Direction) -> tuple[Operator, Mapping[str, int]]:
    if isinstance(node.value, str):
        operator = OPERATORS[node.word(OPERATORS)]
        if operator is Operator.SURROGATE and direction is Direction.ANSWER:
            raise problem(node.place, "nothing would restore a surrogate in an answer; use redact or mask")
        return operator, {}
    members = node.mapping()
    mask = members.get("mask")
    if mask is None:
        raise problem(node.place, f"expected one of {', '.join(OPERATORS)}, or mask: {{keep_last: n}}")
    members.finish()
    options = mask.mapping()
    keep_last = options.get("keep_last")
    options.finish()
    shown = keep_last.integer(0, MOST_SHOWN) if keep_last else 0
    return Operator.MASK, {"keep_last": shown} if shown else {}


def _exemptions(node: Node, rules: Mapping[str, Rule]) -> tuple[Exemption, ...]:
    return tuple(_exemption(item, rules) for item in node.items())


def _exemption(node: Node, rules: Mapping[str, Rule]) -> Exemption:
    members = node.mapping()
    rule = members.need("rule").word(rules)
    when = read_condition(members.need("when"))
    reason_node = members.need("reason")
    reason = reason_node.text().strip()
    members.finish()
    if not reason:
        raise problem(reason_node.place, "an exemption says why")
    return Exemption(rule=rule, when=when, reason=reason, place=str(node.place))


def _exempted(rule: Rule, exemptions: Sequence[Exemption]) -> Rule:
    """Return the rule with its exemptions as ``unless``."""
    mine = tuple(exemption.when for exemption in exemptions if exemption.rule == rule.name)
    if not mine:
        return rule
    return replace(rule, unless=AnyOf((*mine, rule.unless) if rule.unless else mine))
