"""Reading a policy: what each word means, and where and how a wrong one is reported."""

from __future__ import annotations

import pytest

from guard.domain.decision import Direction, Holdback, Operator
from guard.domain.entities import CATALOGUE, Group
from guard.errors import ConfigurationError
from guard.policy.bundle import Rule, load_bundle
from guard.policy.condition import All, Always, AnyOf, Atom, Not, Score
from tests.unit.policy.policies import policy


def rule(written: str) -> Rule:
    """Read one rule."""
    (read,) = load_bundle(policy(written)).rules
    return read


def wrong(data: bytes) -> str:
    """Return what is wrong with a policy."""
    with pytest.raises(ConfigurationError) as refused:
        load_bundle(data)
    return refused.value.message


def test_a_rule_is_read_word_by_word() -> None:
    read = rule(
        "name: mail, direction: answer, when: {entity_type: EMAIL_ADDRESS}, action: redact, reason: why"
    )
    assert (read.name, read.direction, read.operator, read.reason) == (
        "mail",
        Direction.ANSWER,
        Operator.REDACT,
        "why",
    )
    assert read.when == Atom("entity_type", frozenset({"EMAIL_ADDRESS"}))
    assert read.unless is None and read.types == {"EMAIL_ADDRESS"} and read.place == "screening.yaml:7:7"


def test_a_rule_without_when_speaks_about_everything() -> None:
    read = rule("name: all, direction: request, action: block")
    assert read.when == Always() and read.types == set(CATALOGUE)


def test_words_of_one_condition_must_all_hold() -> None:
    read = rule("name: r, direction: request, when: {group: [bank, payment], region: us}, action: block")
    banks = frozenset(row.name for row in CATALOGUE.values() if row.group in (Group.BANK, Group.PAYMENT))
    assert read.when == All((Atom("entity_type", banks), Atom("region", frozenset({"us"}))))
    assert read.types == banks


def test_any_all_and_not_nest() -> None:
    read = rule(
        "name: r, direction: request, action: keep, when: "
        "{any: [{all: [{model: a}, {purpose: b}]}, {not: {application: [c, d]}}], score: {below: 0.5}}"
    )
    inner = All((Atom("model", frozenset("a")), Atom("purpose", frozenset("b"))))
    outer = AnyOf((inner, Not(Atom("application", frozenset("cd")))))
    assert read.when == All((Score(0.0, 0.5), outer))


@pytest.mark.parametrize(
    ("written", "low", "below"),
    [("{at_least: 0.5}", 0.5, 2.0), ("{below: 0.7}", 0.0, 0.7), ("{at_least: 0, below: 1}", 0, 1)],
)
def test_a_range_of_scores_has_an_end_or_two(written: str, low: float, below: float) -> None:
    read = rule(f"name: r, direction: request, when: {{score: {written}}}, action: keep")
    assert read.when == Score(low, below)


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("mask", {}),
        ("{mask: {}}", {}),
        ("{mask: {keep_last: 0}}", {}),
        ("{mask: {keep_last: 4}}", {"keep_last": 4}),
    ],
)
def test_a_mask_may_leave_the_last_few(action: str, parameters: dict[str, int]) -> None:
    read = rule(f"name: r, direction: request, action: {action}")
    assert (read.operator, read.parameters) == (Operator.MASK, parameters)


@pytest.mark.parametrize("level", ["sentence", "part", "answer"])
def test_a_rule_on_answers_may_hold_back(level: str) -> None:
    read = rule(f"name: r, direction: answer, action: block, hold: {level}")
    assert read.hold is Holdback[level.upper()]


@pytest.mark.parametrize(
    ("written", "request_", "answer"),
    [
        ("block", Operator.BLOCK, Operator.BLOCK),
        ("allow", Operator.KEEP, Operator.KEEP),
        ("{request: redact, answer: allow}", Operator.REDACT, Operator.KEEP),
    ],
)
def test_unmatched_is_one_word_or_one_a_direction(written: str, request_: Operator, answer: Operator) -> None:
    read = load_bundle(policy(unmatched=written)).unmatched
    assert (read[Direction.REQUEST], read[Direction.ANSWER]) == (request_, answer)


def test_thresholds_are_by_type() -> None:
    read = load_bundle(policy(more="  thresholds: {EMAIL_ADDRESS: 0.75, JWT: 1}\n"))
    assert read.thresholds == {"EMAIL_ADDRESS": 0.75, "JWT": 1}


MAIL = "name: mail, direction: request, when: {entity_type: EMAIL_ADDRESS}, action: surrogate"


def test_an_exemption_compiles_to_unless_and_keeps_its_reason() -> None:
    exempt = "  exempt: [{rule: mail, when: {region: local}, reason: the model runs in this house}]\n"
    read = load_bundle(policy(MAIL, more=exempt))
    local = Atom("region", frozenset({"local"}))
    assert read.rules[0].unless == AnyOf((local,))
    (exemption,) = read.exemptions
    assert (exemption.rule, exemption.when) == ("mail", local)
    assert exemption.reason == "the model runs in this house" and exemption.place.endswith(":8:12")


def test_an_exemption_joins_the_rules_own_unless() -> None:
    own = MAIL + ", unless: {purpose: archive}"
    exempt = "  exempt:\n" + "".join(
        f"    - {{rule: mail, when: {{application: {name}}}, reason: r}}\n" for name in ("a", "b")
    )
    read = load_bundle(policy(own, more=exempt)).rules[0].unless
    atoms = (Atom("application", frozenset("a")), Atom("application", frozenset("b")))
    assert read == AnyOf((*atoms, Atom("purpose", frozenset({"archive"}))))


def one(written: str) -> bytes:
    """Return a policy with a request rule that goes on with ``written``."""
    return policy(f"name: x, direction: request, action: keep, {written}")


WRONG: dict[str, tuple[bytes, str, str]] = {
    "a version from the future": (
        policy().replace(b"guard/v1", b"guard/v2"),
        "guard/v2",
        "'guard/v2' is not known; did you mean 'guard/v1'?",
    ),
    "another kind": (
        policy().replace(b"ScreeningPolicy", b"ScreeningPolice"),
        "ScreeningPolice",
        "'ScreeningPolice' is not known; did you mean 'ScreeningPolicy'?",
    ),
    "no name of the policy": (
        policy().replace(b"name: test", b"title: test"),
        "{title",
        "'name' is missing",
    ),
    "a misspelt member": (policy("nam: x, direction: request"), "{nam:", "'name' is missing"),
    "an unknown member": (
        one("wen: {score: {below: 1}}"),
        "wen",
        "'wen' is not known; did you mean 'when'?",
    ),
    "an unknown member of spec": (
        policy(more="  rule: []\n"),
        "rule: []",
        "'rule' is not known; did you mean 'rules'?",
    ),
    "a misspelt action": (
        policy("name: x, direction: request, action: surogate"),
        "surogate",
        "'surogate' is not known; did you mean 'surrogate'?",
    ),
    "an operator that comes later": (
        policy("name: x, direction: request, action: encrypt"),
        "encrypt",
        "'encrypt' is not known; known are block, keep, mask, redact, surrogate",
    ),
    "a misspelt type": (
        one("when: {entity_type: EMAIL_ADRESS}"),
        "EMAIL_ADRESS",
        "'EMAIL_ADRESS' is not known; did you mean 'EMAIL_ADDRESS'?",
    ),
    "a misspelt group": (
        one("when: {group: [bank, contacts]}"),
        "contacts",
        "'contacts' is not known; did you mean 'contact'?",
    ),
    "a misspelt threshold": (
        policy(more="  thresholds: {IBAN: 0.5}\n"),
        "IBAN",
        "'IBAN' is no entity type; did you mean 'IBAN_CODE'?",
    ),
    "a misspelt direction": (
        policy("name: x, direction: answers, action: keep"),
        "answers",
        "'answers' is not known; did you mean 'answer'?",
    ),
    "a misspelt unmatched": (
        policy(unmatched="alow"),
        "alow",
        "'alow' is not known; did you mean 'allow'?",
    ),
    "unmatched for one direction": (
        policy(unmatched="{request: redact}"),
        "{request: redact}",
        "'answer' is missing",
    ),
    "a score beyond one": (
        one("when: {score: {at_least: 1.5}}"),
        "1.5",
        "expected a number from 0 to 1",
    ),
    "a score that is true": (one("when: {score: {at_least: yes}}"), "yes", "expected a number"),
    "a range without ends": (one("when: {score: {}}"), "{}}", "expected at_least, below or both"),
    "a condition that says nothing": (
        one("when: {}"),
        "{}",
        "a condition that says nothing; leave it out to match all",
    ),
    "an empty list of regions": (
        one("when: {region: []}"),
        "[]",
        "an empty list matches nothing; leave it out or name something",
    ),
    "an empty list of conditions": (
        one("unless: {any: []}"),
        "[]",
        "an empty list of conditions; leave it out",
    ),
    "a country that YAML reads as false": (one("when: {region: [no]}"), "no]", "expected a text"),
    "a pattern of another kind": (
        one("when: {model: 'gpt-[45]'}"),
        "'gpt-[45]'",
        "'gpt-[45]' is no name or pattern (letters, digits, . _ - : / @ + and *)",
    ),
    "a rule named like what decides without rules": (
        policy("name: unmatched, direction: request, action: keep"),
        "unmatched, ",
        "'unmatched' is what decides where no rule does; use another name",
    ),
    "a name with a line end": (
        policy('name: "a\\nb", direction: request, action: keep'),
        '"a',
        "'a\\nb' is no name (letters, digits, . _ -)",
    ),
    "two rules of one name": (
        policy("name: x, direction: request, action: keep", "name: x, direction: answer, action: keep"),
        "{name: x, direction: answer",
        "a second rule is named 'x'",
    ),
    "a hold on requests": (
        one("hold: answer"),
        "answer",
        "'hold' belongs to rules on answers; a request is always whole",
    ),
    "a hold that nobody knows": (
        policy("name: x, direction: answer, action: block, hold: sentense"),
        "sentense",
        "'sentense' is not known; did you mean 'sentence'?",
    ),
    "a hold of nothing": (
        policy("name: x, direction: answer, action: block, hold: none"),
        "none",
        "'none' is not known; known are answer, part, sentence",
    ),
    "a surrogate in an answer": (
        policy("name: x, direction: answer, action: surrogate"),
        "surrogate",
        "nothing would restore a surrogate in an answer; use redact or mask",
    ),
    "a mask of half a letter": (
        policy("name: x, direction: request, action: {mask: {keep_last: 2.5}}"),
        "2.5",
        "expected a whole number",
    ),
    "a mask that shows everything": (
        policy("name: x, direction: request, action: {mask: {keep_last: 99}}"),
        "99",
        "expected a number from 0 to 16",
    ),
    "an action with parameters that has none": (
        policy("name: x, direction: request, action: {redact: {keep_last: 2}}"),
        "{redact",
        "expected one of keep, mask, surrogate, redact, block, or mask: {keep_last: n}",
    ),
    "an exemption from no rule": (
        policy(MAIL, more="  exempt: [{rule: male, when: {region: us}, reason: r}]\n"),
        "male",
        "'male' is not known; did you mean 'mail'?",
    ),
    "an exemption without a reason": (
        policy(MAIL, more="  exempt: [{rule: mail, when: {region: us}}]\n"),
        "{rule: mail",
        "'reason' is missing",
    ),
    "an exemption with an empty reason": (
        policy(MAIL, more="  exempt: [{rule: mail, when: {region: us}, reason: ' '}]\n"),
        "' '",
        "an exemption says why",
    ),
    "an exemption from everything": (
        policy(MAIL, more="  exempt: [{rule: mail, reason: r}]\n"),
        "{rule: mail",
        "'when' is missing",
    ),
    "rules that are an object": (policy().replace(b"rules: []", b"rules: {}"), "{}", "expected a list"),
    "no rules": (policy().replace(b"rules: []", b"rules:"), "unmatched:", "'rules' is missing"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_error_names_file_line_and_column_and_what_was_meant(what: str) -> None:
    data, pointed, message = WRONG[what]
    before = data[: data.rindex(pointed.encode())]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    assert wrong(data) == f"screening.yaml:{line}:{column}: {message}"


def test_the_digest_is_that_of_the_content() -> None:
    first = load_bundle(policy(MAIL)).digest
    assert first.startswith("sha256:") and len(first) == 71
    assert load_bundle(b"# a comment\n" + policy(MAIL)).digest == first
    assert load_bundle(policy(MAIL + ", reason: r")).digest != first


@pytest.mark.parametrize(("one", "other"), [("0.5001", "0.50014"), ("0.5", "0.50000001"), ("1", "1.0")])
def test_thresholds_that_differ_a_little_have_other_digests(one: str, other: str) -> None:
    digests = {load_bundle(policy(more=f"  thresholds: {{JWT: {score}}}\n")).digest for score in (one, other)}
    assert len(digests) == 2
