"""What a caller may declare in headers; nothing there weakens a policy."""

from __future__ import annotations

import pytest

from guard.domain.principal import Classification, Limits, Principal
from guard.errors import GuardError, InvalidRequest, PolicyDenied
from guard.pipeline.declared import HEADERS, Declared, declared


def read(*purposes: str, **headers: str) -> Declared:
    """Read headers whose names are written with underscores."""
    return above(Classification.INTERNAL, *purposes, **headers)


def above(floor: Classification, *purposes: str, **headers: str) -> Declared:
    """Read them for an application of a class."""
    principal = Principal(
        key_id="k", tenant="t", application="a", models=("*",), purposes=purposes, limits=Limits()
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return declared({"content-type": "application/json", **named}, principal, floor)


def test_what_is_not_said_is_the_keys_default_or_nothing() -> None:
    assert read("support", "research") == Declared(
        purpose="support", subject=None, conversation=None, classification=Classification.INTERNAL
    )


def test_what_is_said_counts() -> None:
    said = read(
        "support",
        "research",
        x_guard_purpose="research",
        x_guard_subject="Zoë",
        x_guard_conversation="c1",
        x_guard_classification="confidential",
        x_guard_key="gk_live_x",
    )
    assert said == Declared(
        purpose="research",
        subject="Zoë",
        conversation="c1",
        classification=Classification.CONFIDENTIAL,
    )


@pytest.mark.parametrize("floor", Classification)
@pytest.mark.parametrize("asked", Classification)
def test_a_classification_only_rises(floor: Classification, asked: Classification) -> None:
    order = list(Classification)
    counts = above(floor, "p", x_guard_classification=asked.value).classification
    assert order.index(counts) == max(order.index(floor), order.index(asked))


@pytest.mark.parametrize(
    ("headers", "kind", "code"),
    [
        ({"x_guard_purpose": "other"}, PolicyDenied, "purpose_required"),
        ({"x_guard_purpose": ""}, PolicyDenied, "purpose_required"),
        ({"x_guard_mode": "off"}, InvalidRequest, "unknown_header"),
        ({"x_guard_": "x"}, InvalidRequest, "unknown_header"),
        ({"x_guard_classification": "Internal"}, InvalidRequest, "invalid_header"),
        ({"x_guard_subject": "é" * 129}, InvalidRequest, "header_too_long"),
        ({"x_guard_key": "k" * 257}, InvalidRequest, "header_too_long"),
    ],
)
def test_what_means_nothing_is_refused(headers: dict[str, str], kind: type[GuardError], code: str) -> None:
    with pytest.raises(kind) as refused:
        read("support", **headers)
    assert refused.value.code == code
    assert not any(value and value in refused.value.message for value in headers.values() if len(value) > 9)


@pytest.mark.parametrize("name", ["x_session_id", "session_id", "x_claude_code_session_id"])
def test_a_coding_agents_session_is_its_conversation_unless_another_is_declared(name: str) -> None:
    assert read("p", **{name: "s1"}).conversation == "s1"
    assert read("p", **{name: "s1", "x_guard_conversation": "c1"}).conversation == "c1"
    assert read("p", **{name: ""}).conversation is None


def test_a_key_without_purposes_is_told_how_to_get_one() -> None:
    with pytest.raises(PolicyDenied, match="--purposes"):
        read()


def test_a_refused_purpose_names_those_that_the_key_has() -> None:
    with pytest.raises(PolicyDenied, match="it has support, research"):
        read("support", "research", x_guard_purpose="fraud")


def test_empty_declarations_are_none() -> None:
    said = read("p", x_guard_subject="", x_guard_conversation="")
    assert (said.subject, said.conversation) == (None, None)


def test_the_known_headers_are_those_of_the_outer_contract() -> None:
    assert {
        f"x-guard-{name}" for name in ("key", "purpose", "subject", "conversation", "classification")
    } == HEADERS
