"""Conditions: frozen values that compile to closures. Closed, so a solver can read them too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from operator import attrgetter
from re import compile as compile_pattern

from guard.domain.decision import Direction
from guard.domain.finding import Finding

__all__ = ["All", "Always", "AnyOf", "Atom", "Condition", "Facts", "Not", "Score", "compile_condition"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a rule may ask about beside the finding."""

    direction: Direction
    application: str
    purpose: str
    model: str
    region: str


@dataclass(frozen=True, slots=True)
class Always:
    """Holds for every finding."""

    def possible(self, _entity_type: str) -> bool:
        """Whether the condition can hold for a type."""
        return True


@dataclass(frozen=True, slots=True)
class Atom:
    """``attribute`` is among ``values``; all but entity types may be patterns with ``*``."""

    attribute: str
    values: frozenset[str]

    def possible(self, entity_type: str) -> bool:
        """Whether the condition can hold for a type."""
        return self.attribute != "entity_type" or entity_type in self.values


@dataclass(frozen=True, slots=True)
class Score:
    """``at_least <= score < below``."""

    at_least: float
    below: float

    def possible(self, _entity_type: str) -> bool:
        """Whether the condition can hold for a type."""
        return self.at_least < self.below


@dataclass(frozen=True, slots=True)
class All:
    """Every term holds."""

    terms: tuple[Condition, ...]

    def possible(self, entity_type: str) -> bool:
        """Whether the condition can hold for a type."""
        return all(term.possible(entity_type) for term in self.terms)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one term holds."""

    terms: tuple[Condition, ...]

    def possible(self, entity_type: str) -> bool:
        """Whether the condition can hold for a type."""
        return any(term.possible(entity_type) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not hold."""

    term: Condition

    def possible(self, entity_type: str) -> bool:
        """Whether the condition can hold for a type; only type sets can exclude one."""
        inner = self.term
        return not (
            isinstance(inner, Atom) and inner.attribute == "entity_type" and entity_type in inner.values
        )


Condition = Always | Atom | Score | All | AnyOf | Not
Test = Callable[[Facts, Finding], bool]


def compile_condition(condition: Condition) -> Test:
    """Return a closure that tests the condition."""
    match condition:
        case Always():
            return lambda facts, finding: True
        case Score(at_least=low, below=high):
            return lambda facts, finding: low <= finding.score < high
        case All(terms=terms):
            tests = [compile_condition(term) for term in terms]
            return lambda facts, finding: all(test(facts, finding) for test in tests)
        case AnyOf(terms=terms):
            tests = [compile_condition(term) for term in terms]
            return lambda facts, finding: any(test(facts, finding) for test in tests)
        case Not(term=term):
            test = compile_condition(term)
            return lambda facts, finding: not test(facts, finding)
        case Atom(attribute="entity_type", values=values):
            return lambda facts, finding: finding.entity_type in values
        case Atom(attribute=attribute, values=values):
            return _attribute(attribute, values)


def _attribute(attribute: str, values: frozenset[str]) -> Test:
    ask: Callable[[Facts], str] = attrgetter(attribute)
    if any("*" in value for value in values):
        pattern = compile_pattern("|".join(translate(value) for value in sorted(values)))
        return lambda facts, finding: pattern.match(ask(facts)) is not None
    return lambda facts, finding: ask(facts) in values
