"""Composition (DESIGN §5): the worked examples as golden tests, and what surrounds them."""

from __future__ import annotations

import pytest

from guard.domain.decision import Direction, Holdback, Operator
from guard.policy import engine
from guard.policy.engine import CompiledPolicy
from tests.unit.policy.policies import compiled, facts, finding

MAIL = "name: mail, direction: request, when: {entity_type: EMAIL_ADDRESS}, action: "


def decided(
    policy: CompiledPolicy, entity_type: str = "EMAIL_ADDRESS", score: float = 0.9, **known: str
) -> tuple[str, str]:
    """Return the operator and the rule for one finding."""
    ((obligation,),) = policy.decide(facts(**known), [[finding(entity_type, score)]]).obligations
    return obligation.operator.word, obligation.rule


def test_worked_example_a_finding_below_the_rules_score_is_unmatched() -> None:
    policy = compiled(
        "name: mail, direction: request, action: surrogate, "
        "when: {entity_type: EMAIL_ADDRESS, score: {at_least: 0.5}}"
    )
    assert decided(policy, score=0.3) == ("redact", "unmatched")
    assert decided(policy, score=0.5) == ("surrogate", "mail")


def test_worked_example_of_two_rules_that_match_the_more_protective_decides() -> None:
    # Pseudonymise comes later; redact protects more than surrogate as it does.
    rules = (MAIL + "surrogate", MAIL.replace("mail", "strict", 1) + "redact")
    assert decided(compiled(*rules)) == ("redact", "strict")
    assert decided(compiled(*reversed(rules))) == ("redact", "strict")


def test_worked_example_an_exemption_with_a_reason_relaxes_a_rule_for_a_local_model() -> None:
    policy = compiled(
        MAIL + "surrogate",
        "name: local-mail, direction: request, action: keep, "
        "when: {entity_type: EMAIL_ADDRESS, region: local}",
        more="  exempt: [{rule: mail, when: {region: local}, reason: this model runs in the house}]\n",
    )
    assert decided(policy, region="local") == ("keep", "local-mail")
    assert decided(policy, region="us") == ("surrogate", "mail")


def test_a_weaker_rule_later_relaxes_nothing() -> None:
    policy = compiled(MAIL + "block", MAIL.replace("mail", "kinder", 1) + "keep")
    assert decided(policy) == ("block", "mail")


def test_an_exempted_finding_without_another_rule_is_unmatched() -> None:
    policy = compiled(
        MAIL + "keep", more="  exempt: [{rule: mail, when: {region: us}, reason: r}]\n", unmatched="block"
    )
    assert decided(policy) == ("block", "unmatched")


def test_unless_takes_a_rule_away_where_it_holds() -> None:
    policy = compiled(MAIL + "block, unless: {purpose: [fraud, support]}")
    assert decided(policy, purpose="support") == ("redact", "unmatched")
    assert decided(policy, purpose="marketing") == ("block", "mail")


@pytest.mark.parametrize(("word", "operator"), [("block", "block"), ("redact", "redact"), ("allow", "keep")])
def test_unmatched_decides_where_no_rule_does(word: str, operator: str) -> None:
    assert decided(compiled(unmatched=word)) == (operator, "unmatched")


def test_rules_speak_for_one_direction() -> None:
    policy = compiled(
        MAIL + "block",
        "name: back, direction: answer, action: keep",
        unmatched="{request: redact, answer: block}",
    )
    ((there,),) = policy.decide(facts(), [[finding()]]).obligations
    ((back,),) = policy.decide(facts(Direction.ANSWER), [[finding()]]).obligations
    assert (there.rule, back.rule) == ("mail", "back")


def test_at_equal_operators_the_first_in_the_file_decides() -> None:
    policy = compiled(
        "name: first, direction: request, when: {score: {at_least: 0.8}}, action: {mask: {keep_last: 2}}",
        "name: second, direction: request, when: {score: {at_least: 0.5}}, action: {mask: {keep_last: 4}}",
    )
    ((high, low),) = policy.decide(facts(), [[finding(score=0.9), finding(score=0.6)]]).obligations
    assert (high.rule, high.parameters) == ("first", {"keep_last": 2})
    assert (low.rule, low.parameters) == ("second", {"keep_last": 4})


def test_a_decision_has_an_obligation_a_finding_in_order_and_lists_what_blocks() -> None:
    policy = compiled(MAIL + "keep", "name: keys, direction: request, when: {group: secret}, action: block")
    found = [[finding(), finding("JWT", start=9)], [], [finding("JWT"), finding("JWT", start=9)], [finding()]]
    decision = policy.decide(facts(), found)
    assert [[o.operator.word for o in part] for part in decision.obligations] == [
        ["keep", "block"],
        [],
        ["block", "block"],
        ["keep"],
    ]
    assert [o.finding for part in decision.obligations for o in part] == [f for part in found for f in part]
    assert (decision.blocked, decision.allowed, decision.rules) == ((0, 2), False, ("mail", "keys"))


def test_nothing_found_is_allowed() -> None:
    decision = compiled(unmatched="block").decide(facts(), [[], []])
    assert decision.allowed and decision.rules == () and decision.obligations == ((), ())


def test_the_order_of_operators_is_that_of_protection() -> None:
    words = "keep generalise mask surrogate pseudonymise fpe encrypt hash redact block"
    assert [operator.word for operator in sorted(Operator)] == words.split()


def test_an_explanation_names_the_rule_and_the_others_that_matched() -> None:
    policy = compiled(
        MAIL + "surrogate",
        "name: all, direction: request, action: keep",
        "name: never, direction: request, when: {region: eu}, action: block",
    )
    first, second = policy.explain(facts(), [finding(), finding("JWT")])
    assert (first.obligation.rule, first.matched) == ("mail", ("mail", "all"))
    assert (second.obligation.rule, second.matched) == ("all", ("all",))


@pytest.mark.parametrize(
    ("holds", "most"),
    [((), Holdback.NONE), (("sentence",), Holdback.SENTENCE), (("answer", "part"), Holdback.ANSWER)],
)
def test_a_policy_holds_back_as_much_as_any_of_its_rules(holds: tuple[str, ...], most: Holdback) -> None:
    rules = [
        f"name: r{number}, direction: answer, action: block, hold: {hold}"
        for number, hold in enumerate(holds)
    ]
    assert compiled(*rules).holdback is most


def test_what_is_remembered_is_bounded_and_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "MOST_FACTS", 3)
    monkeypatch.setattr(engine, "MOST_CHOICES", 2)
    policy = compiled(
        "name: r, direction: request, when: {model: 'm1*', score: {at_least: 0.5}}, action: block",
        "name: s, direction: request, when: {score: {below: 0.5}}, action: mask",
    )
    for _ in range(2):
        for number in range(30):
            for score in (0.1, 0.2, 0.3, 0.4, 0.5, 0.9):
                expected = "mask" if score < 0.5 else "block" if str(number).startswith("1") else "redact"
                assert decided(policy, score=score, model=f"m{number}")[0] == expected
    assert len(policy._memory) <= 3 and all(len(known) <= 3 for known in policy._memory.values())
