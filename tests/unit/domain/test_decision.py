"""The words of decisions: their order is their meaning."""

from __future__ import annotations

from guard.domain.decision import Decision, Holdback, Obligation, Operator
from guard.domain.finding import Finding

FOUND = Finding(entity_type="JWT", start=0, end=9, score=0.9, recognizer="test")


def test_operators_rise_by_protection() -> None:
    words = "keep generalise mask surrogate pseudonymise fpe encrypt hash redact block"
    assert [operator.word for operator in sorted(Operator)] == words.split()
    assert not Operator.KEEP and all(operator for operator in Operator if operator is not Operator.KEEP)


def test_holdbacks_rise_by_what_waits() -> None:
    assert [level.word for level in sorted(Holdback)] == ["none", "sentence", "part", "answer"]


def test_a_decision_allows_unless_a_part_is_blocked() -> None:
    kept = Obligation(finding=FOUND, operator=Operator.KEEP, rule="r")
    assert Decision(obligations=((kept,),), rules=("r",), blocked=()).allowed
    assert not Decision(obligations=((kept,),), rules=("r",), blocked=(0,)).allowed


def test_an_obligation_has_no_parameters_unless_told() -> None:
    assert Obligation(finding=FOUND, operator=Operator.REDACT, rule="r").parameters == {}
