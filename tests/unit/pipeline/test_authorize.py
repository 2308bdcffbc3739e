"""The list of models is what a key may use, and no more."""

from __future__ import annotations

from dataclasses import replace

from guard.domain.catalogue import Model
from guard.domain.exchange import Target
from guard.domain.principal import Limits, Principal
from guard.pipeline.authorize import usable_models
from guard.pipeline.snapshot import Snapshot
from guard.policy.access import Access
from tests.unit.pipeline.house import PERMIT, House

TARGET = Target(provider="a", model="same", region="us")


def snapshot(access: str, *models: str) -> Snapshot:
    """Return a snapshot that serves models."""
    known = House().snapshot()
    catalogue = replace(
        known.governance.catalogue, models=tuple(Model(name=name, targets=(TARGET,)) for name in models)
    )
    return replace(known, governance=replace(known.governance, access=Access(access), catalogue=catalogue))


def principal(*models: str, purposes: tuple[str, ...] = ("support",)) -> Principal:
    """Return a key."""
    return Principal(
        key_id="k", tenant="t", application="crm", models=models, purposes=purposes, limits=Limits()
    )


def usable(known: Snapshot, *models: str, purposes: tuple[str, ...] = ("support",)) -> tuple[str, ...]:
    """Return the models that a key may use."""
    return usable_models(principal(*models, purposes=purposes), known)


def test_a_key_sees_what_its_patterns_and_the_policy_allow_in_the_files_order() -> None:
    known = snapshot(PERMIT, "b-large", "a-small", "b-small")
    assert usable(known, "*") == ("b-large", "a-small", "b-small")
    assert usable(known, "b-*") == ("b-large", "b-small")
    assert usable(known, "nothing") == ()
    assert usable(known, "*", purposes=()) == ()


def test_a_forbidden_model_is_not_listed() -> None:
    known = snapshot(PERMIT + 'forbid (principal, action, resource == Model::"b");', "a", "b")
    assert usable(known, "*") == ("a",)


def test_one_purpose_of_several_is_enough() -> None:
    known = snapshot('permit (principal, action, resource) when { context.purpose == "research" };', "a")
    assert usable(known, "*", purposes=("support", "research")) == ("a",)
    assert usable(known, "*") == ()


def test_behind_a_pattern_a_key_sees_the_names_that_it_was_given() -> None:
    known = snapshot(PERMIT, "gpt-*", "other")
    assert usable(known, "*") == ("gpt-*", "other")
    assert usable(known, "gpt-5", "gpt-5-mini", "claude") == ("gpt-5", "gpt-5-mini")
    assert usable(known, "gpt-5", "other") == ("gpt-5", "other")


def test_a_name_is_listed_once() -> None:
    known = snapshot(PERMIT, "gpt-5", "gpt-*")
    assert usable(known, "gpt-5") == ("gpt-5",)
