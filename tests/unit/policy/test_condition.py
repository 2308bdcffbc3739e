"""Conditions: what each asks, and what it can say about a type before anything is found."""

from __future__ import annotations

import pytest

from guard.domain.decision import Direction
from guard.policy.condition import All, Always, AnyOf, Atom, Condition, Not, Score, compile_condition
from tests.unit.policy.policies import facts, finding

EMAIL = Atom("entity_type", frozenset({"EMAIL_ADDRESS"}))
US = Atom("region", frozenset({"us"}))


def holds(condition: Condition, score: float = 0.9, /, **known: str) -> bool:
    """Ask about an e-mail address."""
    return compile_condition(condition)(facts(Direction.REQUEST, **known), finding(score=score))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("application", "crm"), ("purpose", "support"), ("model", "gpt-5-mini"), ("region", "us")],
)
def test_an_attribute_is_asked_for_by_its_name(attribute: str, value: str) -> None:
    assert holds(Atom(attribute, frozenset({value, "else"})))
    assert not holds(Atom(attribute, frozenset({"else", value + "x", value[:-1]})))
    assert not holds(Atom(attribute, frozenset({value})), **{attribute: "else"})


@pytest.mark.parametrize(
    ("pattern", "model", "fits"),
    [
        ("gpt-*", "gpt-5", True),
        ("gpt-*", "gpt-", True),
        ("gpt-*", "xgpt-5", False),
        ("*mini", "gpt-5-mini", True),
        ("*mini", "gpt-5-mini-x", False),
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "ac", False),
        ("*", "anything/at:all", True),
        ("gpt.5*", "gptx5", False),
        ("gpt-*", "gpt-5\nx", True),
    ],
)
def test_a_star_stands_for_anything_and_nothing_else_does(pattern: str, model: str, fits: bool) -> None:
    assert holds(Atom("model", frozenset({pattern})), model=model) is fits


def test_one_pattern_of_several_is_enough() -> None:
    either = Atom("model", frozenset({"gpt-*", "claude"}))
    assert [holds(either, model=name) for name in ("gpt-5", "claude", "claude-4")] == [True, True, False]


@pytest.mark.parametrize(("score", "inside"), [(0.49, False), (0.5, True), (0.69, True), (0.7, False)])
def test_a_range_holds_its_lower_end_and_not_its_upper(score: float, inside: bool) -> None:
    assert holds(Score(0.5, 0.7), score) is inside


def test_all_any_and_not() -> None:
    assert holds(All((EMAIL, US))) and not holds(All((EMAIL, US)), region="eu")
    assert holds(AnyOf((EMAIL, US)), region="eu") and not holds(AnyOf((Not(EMAIL), US)), region="eu")
    assert not holds(Not(EMAIL)) and holds(Not(US), region="eu")
    assert holds(Always()) and not holds(Not(Always()))


@pytest.mark.parametrize(
    ("condition", "possible"),
    [
        (Always(), {"EMAIL_ADDRESS", "JWT"}),
        (EMAIL, {"EMAIL_ADDRESS"}),
        (US, {"EMAIL_ADDRESS", "JWT"}),
        (Not(EMAIL), {"JWT"}),
        (Not(US), {"EMAIL_ADDRESS", "JWT"}),
        (All((EMAIL, US)), {"EMAIL_ADDRESS"}),
        (All((EMAIL, Not(EMAIL))), set()),
        (AnyOf((EMAIL, US)), {"EMAIL_ADDRESS", "JWT"}),
        (AnyOf((EMAIL, EMAIL)), {"EMAIL_ADDRESS"}),
        (Score(0.5, 0.5), set()),
        (Score(0.5, 0.6), {"EMAIL_ADDRESS", "JWT"}),
        (Not(Score(0, 2)), {"EMAIL_ADDRESS", "JWT"}),
    ],
)
def test_what_a_condition_can_be_about_is_never_too_little(condition: Condition, possible: set[str]) -> None:
    assert {name for name in ("EMAIL_ADDRESS", "JWT") if condition.possible(name)} == possible
