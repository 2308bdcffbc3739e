"""``policy check``: what keeps a pack from being loaded, what is only told, and its own tests."""

from __future__ import annotations

import pytest

from guard.domain.entities import CATALOGUE
from guard.errors import ConfigurationError
from guard.policy.check import ACCESS, SCREENING, TESTS, check_pack, load_pack
from tests.unit.policy.policies import policy

PERMIT = b"permit (principal, action, resource);"
ALL = "name: all, direction: request, action: redact"
BACK = "name: back, direction: answer, action: keep"


def pack(*rules: str, tests: str = "", more: str = "") -> dict[str, bytes]:
    """Return a pack whose rules name every type."""
    files = {SCREENING: policy(ALL, BACK, *rules, more=more), ACCESS: PERMIT}
    if tests:
        files[TESTS] = f"apiVersion: guard/v1\nkind: PolicyTests\ncases:\n{tests}".encode()
    return files


def problems(files: dict[str, bytes]) -> list[tuple[str, str]]:
    """Return level and message of everything that is wrong."""
    return [(problem.level, problem.message) for problem in check_pack(files)]


def test_a_whole_pack_has_no_problem_and_loads() -> None:
    assert problems(pack()) == []
    compiled, access = load_pack(pack())
    assert compiled.name == "test" and access.digest.startswith("sha256:")


@pytest.mark.parametrize("name", [SCREENING, ACCESS])
def test_a_file_that_is_missing_is_an_error(name: str) -> None:
    files = {key: value for key, value in pack().items() if key != name}
    assert problems(files) == [("error", f"the pack has no {name}")]
    with pytest.raises(ConfigurationError):
        load_pack(files)


def test_access_that_is_no_text_is_an_error() -> None:
    assert problems({**pack(), ACCESS: b"\xff"}) == [("error", "access.cedar: not UTF-8")]


def mask(name: str, keep: int, more: str) -> str:
    """Return a masking rule."""
    return f"name: {name}, direction: request, action: {{mask: {{keep_last: {keep}}}}}, {more}"


EXCLUSIVE: dict[str, tuple[str, str]] = {
    "other types": ("when: {entity_type: JWT}", "when: {entity_type: US_SSN}"),
    "a group and a type of another": ("when: {group: bank}", "when: {entity_type: JWT}"),
    "scores that do not meet": ("when: {score: {below: 0.6}}", "when: {score: {at_least: 0.6}}"),
    "other regions": ("when: {region: [us, ca]}", "when: {region: eu}"),
    "other regions among other words": (
        "when: {region: us, purpose: a}",
        "when: {purpose: a, score: {below: 1}, region: eu}",
    ),
    "one where the other is not": ("when: {region: us}", "when: {not: {region: us}}"),
    "one where the other is excepted": ("when: {model: 'gpt-*'}", "unless: {model: 'gpt-*'}"),
    "one of several exceptions": (
        "when: {model: m}",
        "unless: {any: [{region: us}, {model: m}]}",
    ),
}


@pytest.mark.parametrize("how", EXCLUSIVE)
def test_the_same_operator_with_other_parameters_is_fine_where_conditions_exclude_one_another(
    how: str,
) -> None:
    first, second = EXCLUSIVE[how]
    assert problems(pack(mask("a", 2, first), mask("b", 4, second))) == []
    assert problems(pack(mask("a", 2, second), mask("b", 4, first))) == []


CONFLICTS: dict[str, tuple[str, str]] = {
    "the same words": ("when: {region: us}", "when: {region: us}"),
    "scores that meet": ("when: {score: {below: 0.7}}", "when: {score: {at_least: 0.6}}"),
    "regions that overlap": ("when: {region: [us, ca]}", "when: {region: [ca, eu]}"),
    "patterns, which nobody compares": ("when: {model: 'gpt-*'}", "when: {model: 'claude-*'}"),
    "words about other things": ("when: {region: us}", "when: {purpose: support}"),
    "one choice of several": (
        "when: {any: [{region: us}, {region: eu}]}",
        "when: {region: ca}",
    ),
}


@pytest.mark.parametrize("how", CONFLICTS)
def test_the_same_operator_with_other_parameters_is_an_error_that_names_both(how: str) -> None:
    first, second = CONFLICTS[how]
    files = pack(mask("a", 2, first), mask("b", 4, second))
    message = "screening.yaml:10:7: rules 'a' and 'b' can both match, with different parameters of mask"
    assert problems(files) == [("error", message)]
    with pytest.raises(ConfigurationError, match="rules 'a' and 'b' can both match"):
        load_pack(files)


def test_the_same_operator_with_the_same_parameters_is_fine() -> None:
    assert problems(pack(mask("a", 2, "when: {region: us}"), mask("b", 2, "when: {region: us}"))) == []


def test_types_without_a_rule_are_told_with_what_they_get() -> None:
    files = {
        **pack(),
        SCREENING: policy("name: r, direction: request, when: {not: {group: secret}}, action: keep", BACK),
    }
    secrets = sorted(name for name, row in CATALOGUE.items() if row.group.value == "secret")
    assert problems(files) == [
        ("note", f"request: no rule names {', '.join(secrets)}; they get 'unmatched' (redact)")
    ]
    load_pack(files)


def test_a_rule_that_can_never_match_is_an_error() -> None:
    files = pack("name: never, direction: request, when: {group: bank, entity_type: JWT}, action: block")
    assert problems(files) == [("error", "screening.yaml:9:7: rule 'never' can never match")]


def test_an_exemption_is_told_with_its_reason() -> None:
    files = pack(more="  exempt: [{rule: all, when: {region: local}, reason: it stays here}]\n")
    assert problems(files) == [("note", "screening.yaml:9:12: rule 'all' is weakened: it stays here")]


CASE = "  - {{name: {name}, direction: request, entity_type: JWT, score: 0.9, expect: {expect}{more}}}\n"


def test_a_packs_own_tests_are_run() -> None:
    files = pack(
        "name: eu, direction: request, action: block, "
        "when: {region: eu, purpose: p, model: m, application: a}",
        tests=CASE.format(name="passes", expect="redact", more="")
        + CASE.format(name="fails", expect="keep", more="")
        + CASE.format(
            name="knows", expect="block", more=", region: eu, purpose: p, model: m, application: a"
        ),
    )
    assert problems(files) == [("error", "tests.yaml:5:5: 'fails' expects keep, rule 'all' says redact")]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("  - {name: x}\n", "tests.yaml:4:5: 'expect' is missing"),
        (CASE.format(name="x", expect="redakt", more=""), "'redakt' is not known; did you mean 'redact'?"),
        (
            CASE.format(name="x", expect="keep", more=", regoin: us"),
            "'regoin' is not known; did you mean 'region'?",
        ),
        (
            CASE.format(name="x", expect="keep", more="").replace("JWT", "JWZ"),
            "'JWZ' is not known; did you mean 'JWT'?",
        ),
        ("  nothing\n", "expected a list"),
    ],
)
def test_tests_that_cannot_be_read_are_an_error(case: str, message: str) -> None:
    ((level, said),) = problems(pack(tests=case))
    assert level == "error" and said.startswith("tests.yaml:") and message in said
