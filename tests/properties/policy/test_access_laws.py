"""Laws of access: a forbid never opens a door, nor does a policy that fails."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.domain.principal import Limits, Principal
from guard.policy.access import Access

MODELS = ("gpt-5", "gpt-5-mini", "claude")
PURPOSES = ("support", "research")
CLASSES = ("public", "restricted")

tests = st.sampled_from(
    [
        "true",
        "false",
        "resource.granted",
        "!resource.granted",
        'principal.tenant == "acme"',
        "principal.purposes.contains(context.purpose)",
        'context.purpose == "research"',
        'context.classification == "restricted"',
        'context.purpose like "s*"',
        "9223372036854775807 + 1 > 0",
        'context.purpose == "support" && 9223372036854775807 + 1 > 0',
    ]
)
resources = st.sampled_from(["resource", 'resource == Model::"gpt-5"', "resource is Model"])


@st.composite
def policies(draw: st.DrawFn, effect: str) -> str:
    """Draw one policy."""
    tested = " && ".join(draw(st.lists(tests, min_size=1, max_size=2)))
    word = draw(st.sampled_from(["when", "unless"]))
    return f"{effect} (principal, action, {draw(resources)}) {word} {{ {tested} }};"


permits = st.lists(policies("permit"), max_size=3)
forbids = st.lists(policies("forbid"), min_size=1, max_size=3)
keys = st.builds(
    Principal,
    key_id=st.just("k"),
    tenant=st.sampled_from(["default", "acme"]),
    application=st.just("crm"),
    models=st.sampled_from([("*",), ("gpt-*",), ("claude",)]),
    purposes=st.sampled_from([("support",), PURPOSES]),
    limits=st.just(Limits()),
)


def allowed(source: list[str], key: Principal, model: str, purpose: str, classification: str) -> bool:
    """Decide one invocation under policies."""
    access = Access("\n".join(source))
    return access.may_invoke(key, model=model, purpose=purpose, classification=classification).allowed


asks = st.tuples(keys, st.sampled_from(MODELS), st.sampled_from(PURPOSES), st.sampled_from(CLASSES))


@settings(max_examples=60)
@given(permits, forbids, asks)
def test_adding_a_forbid_never_turns_no_into_yes(
    permitted: list[str], forbidden: list[str], ask: tuple[Principal, str, str, str]
) -> None:
    before = allowed(permitted, *ask)
    after = allowed([*permitted, *forbidden], *ask)
    assert before or not after


@settings(max_examples=40)
@given(permits, forbids, asks)
def test_a_policy_that_fails_denies_everything_it_is_asked_about(
    permitted: list[str], forbidden: list[str], ask: tuple[Principal, str, str, str]
) -> None:
    broken = "forbid (principal, action, resource) when { 9223372036854775807 + 1 > 0 };"
    assert not allowed(["permit (principal, action, resource);", *permitted, *forbidden, broken], *ask)


@settings(max_examples=40)
@given(permits, asks)
def test_a_second_question_gets_the_same_answer(
    permitted: list[str], ask: tuple[Principal, str, str, str]
) -> None:
    access = Access("\n".join(permitted))
    key, model, purpose, classification = ask
    first, second = (
        access.may_invoke(key, model=model, purpose=purpose, classification=classification) for _ in range(2)
    )
    assert first == second
