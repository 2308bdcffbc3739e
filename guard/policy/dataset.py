"""Dataset policy as written: what is done to a column, by its name and by what is found in it.

::

    apiVersion: guard/v1
    kind: DatasetPolicy
    metadata: {name: default}
    spec:
      columns:                       # by header; * stands for anything
        - {match: ["*name*"], action: pseudonymise}
      types:                         # by what screening finds in the values
        - {group: contact, action: surrogate}
      unmatched: drop                # what screening finds and no rule names
      otherwise: keep                # columns that no rule names and in which nothing is found

Of the rules that match a column the most protective wins: keep < generalise < mask <
surrogate < pseudonymise < drop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeVar

from guard.domain import positioned
from guard.domain.canonical import digest
from guard.domain.dataset import TransformWord
from guard.domain.entities import CATALOGUE, Group
from guard.domain.positioned import Node

__all__ = ["ColumnRule", "DatasetPolicy", "TypeRule", "load_dataset_policy"]

API_VERSION = "guard/v1"
KIND = "DatasetPolicy"
ORDER = (
    TransformWord.KEEP,
    TransformWord.GENERALISE,
    TransformWord.MASK,
    TransformWord.SURROGATE,
    TransformWord.PSEUDONYMISE,
    TransformWord.DROP,
)
"""Transforms in rising order of protection."""
PARAMETERS: Mapping[TransformWord, Mapping[str, tuple[int, int]]] = {
    TransformWord.MASK: {"keep_last": (0, 16)},
    TransformWord.GENERALISE: {"width": (1, 1_000_000_000), "keep_first": (0, 64)},
}
"""The parameters that a transform takes, with their ranges."""

Rule = TypeVar("Rule")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A transform with its parameters and the name of the rule that asks for it."""

    word: TransformWord
    parameters: Mapping[str, int]
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRule:
    """Applies to columns whose name matches one of ``patterns`` (lower case)."""

    patterns: tuple[str, ...]
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeRule:
    """Applies where one of ``types`` is found."""

    types: frozenset[str]
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPolicy:
    """A policy as read. ``digest`` names it in records."""

    name: str
    columns: tuple[ColumnRule, ...]
    types: tuple[TypeRule, ...]
    unmatched: Action
    otherwise: Action
    digest: str

    def for_column(self, name: str, found: frozenset[str]) -> Action:
        """Return what is done to a column in whose values ``found`` types stand."""
        matching = [rule.action for rule in self.columns if _matches(name, rule.patterns)]
        matching += [self.for_type(entity_type) for entity_type in sorted(found)]
        if not matching:
            return self.otherwise
        return max(matching, key=lambda action: ORDER.index(action.word))

    def for_type(self, entity_type: str) -> Action:
        """Return what is done to a value of a type."""
        matching = [rule.action for rule in self.types if entity_type in rule.types]
        return max(matching or [self.unmatched], key=lambda action: ORDER.index(action.word))


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def load_dataset_policy(data: bytes, *, file: str) -> DatasetPolicy:
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
    policy = DatasetPolicy(
        name=name,
        columns=_listed(spec.get("columns"), _column_rule),
        types=_listed(spec.get("types"), _type_rule),
        unmatched=_action(spec.need("unmatched"), "unmatched"),
        otherwise=_action(spec.need("otherwise"), "otherwise"),
        digest=digest(positioned.plain(node)),
    )
    spec.finish()
    return policy


def _listed(node: Node | None, read: Callable[[Node], Rule]) -> tuple[Rule, ...]:
    return tuple(read(item) for item in node.items()) if node else ()


def _column_rule(node: Node) -> ColumnRule:
    members = node.mapping()
    patterns = tuple(pattern.lower() for pattern in members.need("match").texts())
    action = _action(members.need("action"), f"columns {', '.join(patterns)}")
    members.finish()
    return ColumnRule(patterns=patterns, action=action)


def _type_rule(node: Node) -> TypeRule:
    members = node.mapping()
    types: set[str] = set()
    named = members.get("entity_type")
    if named:
        for item in named.items() if isinstance(named.value, list) else [named]:
            types.add(item.word(CATALOGUE))
    groups = members.get("group")
    if groups:
        for item in groups.items() if isinstance(groups.value, list) else [groups]:
            group = item.word([group.value for group in Group])
            types.update(row.name for row in CATALOGUE.values() if row.group.value == group)
    if not types:
        raise positioned.problem(node.place, "expected entity_type or group")
    action = _action(members.need("action"), f"types at line {node.place.line}")
    members.finish()
    return TypeRule(types=frozenset(types), action=action)


def _action(node: Node, rule: str) -> Action:
    words = [word.value for word in TransformWord]
    if isinstance(node.value, str):
        word = TransformWord(node.word(words))
        if word is TransformWord.GENERALISE:
            raise positioned.problem(node.place, "write generalise: {width: 10} or {keep_first: 3}")
        return Action(word=word, parameters={}, rule=rule)
    members = node.mapping()
    named = [word for word in PARAMETERS if word.value in members.members]
    if len(members.members) != 1 or not named:
        raise positioned.problem(node.place, f"expected one of {', '.join(words)}")
    options = members.need(named[0].value).mapping()
    parameters = {
        name: int(value.number(low, high))
        for name, (low, high) in PARAMETERS[named[0]].items()
        if (value := options.get(name)) is not None
    }
    options.finish()
    if named[0] is TransformWord.GENERALISE and len(parameters) != 1:
        raise positioned.problem(node.place, "generalise takes width (numbers) or keep_first (texts)")
    return Action(word=named[0], parameters=parameters, rule=rule)
