"""Access in Cedar: what allows, and everything that does not."""

from __future__ import annotations

import pytest

from guard.domain.principal import Limits, Principal
from guard.errors import ConfigurationError
from guard.policy import access
from guard.policy.access import Access

GRANTS = """@id("key-grants")
permit (principal is Application, action == Action::"invoke", resource is Model)
when { resource.granted && principal.purposes.contains(context.purpose) };
"""


def principal(*models: str, application: str = "crm", tenant: str = "default") -> Principal:
    """Return a key that may support and research."""
    return Principal(
        key_id="k1",
        tenant=tenant,
        application=application,
        models=models or ("*",),
        purposes=("support", "research"),
        limits=Limits(),
    )


def asked(
    source: str,
    who: Principal | None = None,
    /,
    *,
    model: str = "gpt-5-mini",
    purpose: str = "support",
    classification: str = "internal",
) -> tuple[bool, tuple[str, ...]]:
    """Return whether access is allowed, and the reasons."""
    decision = Access(source).may_invoke(
        who or principal(), model=model, purpose=purpose, classification=classification
    )
    return decision.allowed, decision.reasons


def test_the_shipped_policy_allows_what_the_key_grants() -> None:
    assert asked(GRANTS) == (True, ("key-grants",))
    assert asked(GRANTS, purpose="research") == (True, ("key-grants",))
    assert asked(GRANTS, purpose="marketing") == (False, ())


@pytest.mark.parametrize(
    ("patterns", "model", "allowed"),
    [
        (("*",), "anything", True),
        (("gpt-*",), "gpt-5-mini", True),
        (("gpt-*",), "claude-4", False),
        (("claude-4", "gpt-5"), "gpt-5", True),
        (("gpt-5",), "gpt-5-mini", False),
        (("GPT-5",), "gpt-5", False),
    ],
)
def test_a_keys_patterns_say_which_models(patterns: tuple[str, ...], model: str, allowed: bool) -> None:
    assert asked(GRANTS, principal(*patterns), model=model)[0] is allowed


def test_without_a_permit_nothing_is_allowed() -> None:
    for source in ("", "// nothing", "forbid (principal, action, resource);"):
        assert asked(source)[0] is False


def test_a_forbid_wins_and_is_the_reason() -> None:
    forbid = '@id("no-restricted") forbid (principal, action, resource) when {{ {} }};'
    for condition, asks in (
        ('context.classification == "restricted"', {"classification": "restricted"}),
        ('resource == Model::"gpt-9"', {"model": "gpt-9"}),
        ('context.purpose == "research"', {"purpose": "research"}),
    ):
        source = GRANTS + forbid.format(condition)
        assert asked(source, **asks) == (False, ("no-restricted",))
        assert asked(source) == (True, ("key-grants",))


def test_policies_may_ask_for_application_and_tenant() -> None:
    source = 'permit (principal == Application::"crm", action, resource) when { principal.tenant == "acme" };'
    assert asked(source, principal(tenant="acme"))[0] is True
    assert asked(source, principal(tenant="other"))[0] is False
    assert asked(source, principal(tenant="acme", application="billing"))[0] is False


OVERFLOW = '@id("broken") forbid (principal, action, resource) when {{ 9223372036854775807 + {} > 0 }};'


def test_a_forbid_that_fails_denies_although_cedar_skips_it() -> None:
    assert asked(GRANTS + OVERFLOW.format(1))[0] is False


def test_a_permit_that_fails_denies_although_another_allows() -> None:
    assert asked(GRANTS + OVERFLOW.format(1).replace("forbid", "permit"))[0] is False


def test_a_policy_that_fails_only_for_some_denies_only_those() -> None:
    source = GRANTS + (
        'forbid (principal, action, resource) when { context.purpose == "research" && '
        "9223372036854775807 + 1 > 0 };"
    )
    assert asked(source)[0] is True
    assert asked(source, purpose="research")[0] is False


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "Model::x", "é🙂", "a\nb", " ", "x" * 256], ids=lambda name: repr(name)[:12]
)
def test_odd_names_change_nothing_but_themselves(name: str) -> None:
    source = GRANTS + 'forbid (principal, action, resource == Model::"secret");'
    assert asked(source, model=name)[0] is True
    assert asked(source, principal("secret"), model=name)[0] is False


BROKEN: dict[str, tuple[str, str]] = {
    "cut off": ("permit (principal, action, resource", "access.cedar:1:1: unexpected end of input"),
    "a word missing": (
        GRANTS + "\n// a; comment\n  permit (principal, action, resource) when { context.purpose == };",
        "access.cedar:6:3: unexpected token `}`",
    ),
    "an action that is not": (
        GRANTS + 'permit (principal, action == Action::"delete", resource);',
        'access.cedar:4:1: for policy `policy1`, unrecognized action `Action::"delete"`',
    ),
    "an attribute that is not": (
        'permit (principal, action, resource) when { context.purpose == "a;b" };\n\n'
        "permit (principal, action, resource) when { resource.owner };",
        "access.cedar:3:1: for policy `policy1`, attribute `owner`",
    ),
    "a template": (
        "permit (principal == ?principal, action, resource);",
        "access.cedar:1:1: templates are not used here",
    ),
    "an open string": ('permit (principal, action, resource) when { "', "access.cedar:1:1: "),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_policy_says_where(what: str) -> None:
    source, message = BROKEN[what]
    with pytest.raises(ConfigurationError) as refused:
        Access(source)
    assert refused.value.message.startswith(message)


def test_two_mistakes_are_told_at_once() -> None:
    permit = "permit (principal, action, resource) when {{ resource.{} }};"
    source = "\n".join(permit.format(name) for name in "ab")
    with pytest.raises(ConfigurationError) as refused:
        Access(source)
    assert [line.split(": ")[0] for line in refused.value.message.splitlines()] == [
        "access.cedar:1:1",
        "access.cedar:2:1",
    ]


def test_the_digest_is_that_of_the_source() -> None:
    assert Access(GRANTS).digest == Access(GRANTS).digest != Access(GRANTS + "\n").digest


def test_the_memory_is_bounded_and_forgetting_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "CACHE", 3)
    policies = Access(GRANTS)
    for _ in range(2):
        for number in range(7):
            key = principal(f"m{number}")
            told = [
                policies.may_invoke(
                    key, model=f"m{asked}", purpose="support", classification="internal"
                ).allowed
                for asked in (number, number + 1)
            ]
            assert told == [True, False]
    assert len(policies._known) == 3
