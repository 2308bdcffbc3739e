"""Several targets: each is decided for itself, recorded for itself, and tried in order."""

from __future__ import annotations

import asyncio
import json

import pytest

from guard.domain.principal import Limits
from guard.errors import UpstreamRejected, UpstreamTimeout, UpstreamUnavailable
from tests.unit.pipeline.house import EMAIL, House, chat, done
from tests.unit.policy.policies import policy

TWO = (("a", "us"), ("b", "eu"))
BLOCKED_IN_US = policy(
    "name: not-there, direction: request, when: {entity_type: EMAIL_ADDRESS, region: us}, action: block",
    "name: mail, direction: request, when: {entity_type: EMAIL_ADDRESS}, action: surrogate",
    "name: rest, direction: request, action: keep",
    "name: back, direction: answer, action: keep",
)
GONE = UpstreamUnavailable("gone")


def ask(house: House, body: bytes | None = None) -> bytes:
    """Run an exchange to its end."""

    async def scenario() -> bytes:
        return await done(await house.ask(body or chat(f"to {EMAIL}")))

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    "failure", [GONE, UpstreamRejected("no", status=500), UpstreamRejected("no", status=529)]
)
def test_the_next_target_is_tried_with_an_intent_of_its_own(failure: Exception) -> None:
    house = House(targets=TWO)
    house.upstream.behaviours["a"] = failure
    assert EMAIL.encode() in ask(house)
    told = [
        (record.type, record.fields["attempt"], record.fields["provider"])
        for record in house.recorder.records
    ]
    assert told == [
        ("exchange.intent", 1, "a"),
        ("exchange.intent", 2, "b"),
        ("exchange.outcome", 2, "b"),
    ]
    assert house.journal.index("durable exchange.intent") < house.journal.index("send a")
    assert (
        house.journal.index("send b")
        > [i for i, said in enumerate(house.journal) if said == "durable exchange.intent"][1]
    )


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamTimeout("late"),
        UpstreamRejected("no", status=400),
        UpstreamRejected("no", status=429),
        UpstreamRejected("moved", status=302),
    ],
)
def test_what_counts_as_sent_or_is_about_the_request_is_not_tried_elsewhere(failure: Exception) -> None:
    house = House(targets=TWO)
    house.upstream.behaviours["a"] = failure
    with pytest.raises(type(failure)):
        ask(house)
    assert [sent.provider for sent in house.upstream.sent] == ["a"]
    assert house.recorder.types() == ["intent", "outcome"]


def test_the_body_is_the_same_but_for_the_model() -> None:
    house = House(targets=TWO)
    house.upstream.behaviours["a"] = GONE
    ask(house)
    first, second = house.upstream.sent
    assert first.body == second.body and json.loads(first.body)["model"] == "real"
    assert first.path == "/chat/completions"


def test_a_target_that_policy_refuses_is_passed_over_and_the_next_decided_anew() -> None:
    house = House(targets=TWO, policy=BLOCKED_IN_US)
    assert EMAIL.encode() in ask(house)
    assert [sent.provider for sent in house.upstream.sent] == ["b"]
    (intent,) = house.recorder.of("exchange.intent")
    assert (intent.fields["attempt"], intent.fields["region"], intent.fields["rules"]) == (1, "eu", ["mail"])


def test_refused_candidates_are_listed_where_nothing_was_left() -> None:
    house = House(targets=(("a", "us"), ("c", "us")), policy=BLOCKED_IN_US)
    with pytest.raises(Exception, match="blocked by policy rule not-there: 1 EMAIL_ADDRESS"):
        ask(house)
    (refused,) = house.recorder.records
    assert (refused.fields["candidates"], refused.fields["rules"]) == (["a/real", "c/real"], ["not-there"])
    assert refused.fields["attempt"] == 0


def test_a_provider_that_failed_is_what_the_caller_hears_of_and_not_the_denial_after_it() -> None:
    house = House(targets=(("b", "eu"), ("a", "us")), policy=BLOCKED_IN_US)
    house.upstream.behaviours["b"] = GONE
    with pytest.raises(UpstreamUnavailable):
        ask(house)
    assert [record.fields.get("end") for record in house.recorder.records] == [None, "failed"]


def test_when_all_fail_the_outcome_names_the_last_attempt() -> None:
    house = House(targets=TWO)
    house.upstream.behaviours["a"] = house.upstream.behaviours["b"] = GONE
    with pytest.raises(UpstreamUnavailable):
        ask(house)
    outcome = house.recorder.records[-1]
    assert house.recorder.types() == ["intent", "intent", "outcome"]
    assert (outcome.fields["attempt"], outcome.fields["provider"], outcome.fields["end"]) == (
        2,
        "b",
        "failed",
    )
    (summary,) = house.observer.summaries
    assert (summary.attempts, summary.end, summary.code) == (2, "failed", "upstream_unavailable")


def test_limits_are_held_by_the_first_intent_alone() -> None:
    house = House(targets=TWO, limits=Limits(requests_per_minute=9, concurrency=3))
    house.upstream.behaviours["a"] = GONE
    ask(house)
    first, second = house.recorder.of("exchange.intent")
    assert [hold.unit.value for hold in first.holds] == ["requests", "concurrent"]
    assert second.holds == () and first.opens == second.opens


def test_a_model_that_is_called_as_it_is_asked_for_keeps_its_name() -> None:
    house = House()
    ask(house, chat("x", model="free-7"))
    assert json.loads(house.upstream.sent[0].body)["model"] == "free-7"
    assert {record.fields["model"] for record in house.recorder.records} == {"free-7"}


def test_the_time_at_other_providers_is_not_guards_own() -> None:
    house = House(targets=TWO)
    house.upstream.behaviours["a"] = GONE

    async def scenario() -> float:
        house.upstream.thinking = asyncio.Event()
        asking = asyncio.ensure_future(house.ask(chat()))
        asyncio.get_running_loop().call_later(0.2, house.upstream.thinking.set)
        return (await asking).stamp.guard_seconds

    assert asyncio.run(scenario()) < 0.15
