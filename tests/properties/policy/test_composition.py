"""Laws of composition, against a slow twin that reads DESIGN §5 literally."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from guard.domain.decision import Direction, Holdback, Obligation, Operator
from guard.domain.finding import Finding
from guard.policy.bundle import OPERATORS, Bundle, Rule
from guard.policy.condition import All, Always, AnyOf, Atom, Condition, Facts, Not, Score
from guard.policy.engine import compile_bundle

TYPES = ("EMAIL_ADDRESS", "JWT", "US_SSN", "IBAN_CODE")
WORDS = {
    "application": ("crm", "crm-eu", "billing"),
    "purpose": ("support", "research"),
    "model": ("gpt-5", "gpt-5-mini", "claude"),
    "region": ("us", "eu", "local"),
}
PATTERNS = {
    "application": ("crm*",),
    "purpose": ("*",),
    "model": ("gpt-*", "*mini", "g*5*"),
    "region": ("e*",),
}
scores = st.sampled_from([0.0, 0.3, 0.5, 0.6, 0.8, 1.0])


@st.composite
def atoms(draw: st.DrawFn) -> Condition:
    """Draw one set of words."""
    if draw(st.booleans()):
        return Atom("entity_type", draw(st.frozensets(st.sampled_from(TYPES), min_size=1)))
    name = draw(st.sampled_from(sorted(WORDS)))
    return Atom(name, draw(st.frozensets(st.sampled_from([*WORDS[name], *PATTERNS[name]]), min_size=1)))


conditions = st.recursive(
    st.just(Always()) | atoms() | st.builds(Score, scores, st.sampled_from([0.3, 0.6, 0.8, 2.0])),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple))
        | st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


@st.composite
def rules(draw: st.DrawFn) -> tuple[Rule, ...]:
    """Draw some rules with names of their own."""
    drawn = []
    for number in range(draw(st.integers(0, 6))):
        when = draw(conditions)
        operator = draw(st.sampled_from(sorted(OPERATORS.values())))
        drawn.append(
            Rule(
                name=f"r{number}",
                direction=draw(st.sampled_from(Direction)),
                types=frozenset(name for name in TYPES if when.possible(name)),
                when=when,
                unless=draw(st.none() | conditions),
                operator=operator,
                parameters={"keep_last": draw(st.integers(1, 2))} if operator is Operator.MASK else {},
                hold=Holdback.NONE,
                reason="",
                place="",
            )
        )
    return tuple(drawn)


facts = st.builds(
    Facts,
    direction=st.sampled_from(Direction),
    **{name: st.sampled_from(words) for name, words in WORDS.items()},
)
findings = st.builds(
    Finding,
    entity_type=st.sampled_from(TYPES),
    start=st.just(0),
    end=st.just(1),
    score=scores,
    recognizer=st.just("test"),
)
unmatched = st.fixed_dictionaries(
    {direction: st.sampled_from([Operator.KEEP, Operator.REDACT, Operator.BLOCK]) for direction in Direction}
)


def fits(pattern: str, word: str) -> bool:
    """Match letter by letter; ``*`` is anything."""
    if not pattern:
        return not word
    if pattern[0] == "*":
        return any(fits(pattern[1:], word[at:]) for at in range(len(word) + 1))
    return bool(word) and word[0] == pattern[0] and fits(pattern[1:], word[1:])


def holds(condition: Condition, known: Facts, found: Finding) -> bool:
    """Say what a condition means."""
    match condition:
        case Always():
            return True
        case Score():
            return condition.at_least <= found.score < condition.below
        case All():
            return all(holds(term, known, found) for term in condition.terms)
        case AnyOf():
            return any(holds(term, known, found) for term in condition.terms)
        case Not():
            return not holds(condition.term, known, found)
        case Atom(attribute="entity_type"):
            return found.entity_type in condition.values
        case Atom():
            word = str(getattr(known, condition.attribute))
            return any(fits(pattern, word) for pattern in condition.values)


def slow(bundle: Bundle, known: Facts, found: Finding) -> Obligation:
    """Decide one finding by looking at every rule."""
    matching = [
        rule
        for rule in bundle.rules
        if rule.direction is known.direction
        and holds(rule.when, known, found)
        and not (rule.unless is not None and holds(rule.unless, known, found))
    ]
    if not matching:
        return Obligation(finding=found, operator=bundle.unmatched[known.direction], rule="unmatched")
    best = max(matching, key=lambda rule: rule.operator)  # the first of the largest
    return Obligation(finding=found, operator=best.operator, rule=best.name, parameters=best.parameters)


def bundle_of(drawn: tuple[Rule, ...], otherwise: dict[Direction, Operator]) -> Bundle:
    """Return a bundle of rules."""
    return Bundle(name="test", unmatched=otherwise, thresholds={}, rules=drawn)


@given(rules(), unmatched, facts, st.lists(st.lists(findings, max_size=3), max_size=4))
def test_the_compiled_policy_decides_as_the_slow_one(
    drawn: tuple[Rule, ...],
    otherwise: dict[Direction, Operator],
    known: Facts,
    found: list[list[Finding]],
) -> None:
    bundle = bundle_of(drawn, otherwise)
    decision = compile_bundle(bundle).decide(known, found)
    expected = tuple(tuple(slow(bundle, known, one) for one in part) for part in found)
    assert decision.obligations == expected
    blocking = [any(o.operator is Operator.BLOCK for o in part) for part in expected]
    assert decision.blocked == tuple(index for index, blocks in enumerate(blocking) if blocks)
    assert decision.allowed is not any(blocking)
    assert set(decision.rules) == {o.rule for part in expected for o in part}


@given(rules(), unmatched, facts, findings, st.data())
def test_the_order_of_rules_never_decides_how_much_is_protected(
    drawn: tuple[Rule, ...],
    otherwise: dict[Direction, Operator],
    known: Facts,
    found: Finding,
    data: st.DataObject,
) -> None:
    mixed = data.draw(st.permutations(drawn))
    first = compile_bundle(bundle_of(drawn, otherwise)).decide(known, [[found]])
    second = compile_bundle(bundle_of(tuple(mixed), otherwise)).decide(known, [[found]])
    assert first.obligations[0][0].operator is second.obligations[0][0].operator


@given(rules(), facts, findings, st.data())
def test_a_rule_more_never_protects_less_where_another_matched(
    drawn: tuple[Rule, ...], known: Facts, found: Finding, data: st.DataObject
) -> None:
    otherwise = dict.fromkeys(Direction, Operator.BLOCK)
    more = [replace(rule, name=f"more{number}") for number, rule in enumerate(data.draw(rules()))]
    before = compile_bundle(bundle_of(drawn, otherwise)).decide(known, [[found]]).obligations[0][0]
    after = compile_bundle(bundle_of((*drawn, *more), otherwise)).decide(known, [[found]]).obligations[0][0]
    if before.rule != "unmatched":
        assert after.operator >= before.operator


@given(rules(), unmatched, facts, findings)
def test_an_explanation_agrees_with_the_decision(
    drawn: tuple[Rule, ...], otherwise: dict[Direction, Operator], known: Facts, found: Finding
) -> None:
    policy = compile_bundle(bundle_of(drawn, otherwise))
    (trace,) = policy.explain(known, [found])
    assert trace.obligation == policy.decide(known, [[found]]).obligations[0][0]
    assert (trace.obligation.rule in trace.matched) is bool(trace.matched)
