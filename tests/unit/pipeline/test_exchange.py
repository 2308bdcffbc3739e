"""What an exchange does with values: scopes, subjects, report mode, limits, earlier turns."""

from __future__ import annotations

import asyncio
import json

import pytest

from guard.domain.entities import TOKEN
from guard.domain.event import Record
from guard.domain.principal import Limits, Tools
from guard.errors import LimitExceeded
from guard.pipeline.declared import HEADERS
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import EMAIL, House, chat, done, packed, said, whole

CARD = "5425 2334 3010 9903"
AWS = "AKIAZ3MHQWERTYUI2345"


def ask(house: House, body: bytes, **headers: str) -> bytes:
    """Run an exchange to its end."""

    async def scenario() -> bytes:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await done(await house.ask(body, headers=named))

    return asyncio.run(scenario())


def token(house: House) -> str:
    """Return the one surrogate of the last body that left."""
    (found,) = set(TOKEN.findall(house.upstream.sent[-1].body.decode()))
    return str(found)


def test_a_value_leaves_as_a_surrogate_and_comes_back_as_itself() -> None:
    house = House()
    answer = json.loads(ask(house, chat(f"Write to {EMAIL}!")))
    assert answer["choices"][0]["message"]["content"] == f"Write to {EMAIL}!"
    assert said(house.upstream.sent[0].body) == f"Write to {token(house)}@guard.invalid!"


def test_a_surrogate_is_the_same_in_a_conversation_and_another_elsewhere() -> None:
    house = House()
    seen = []
    for headers, members in (
        ({}, {}),
        ({}, {}),
        ({"x_guard_conversation": "c1"}, {}),
        ({"x_guard_conversation": "c1"}, {"prompt_cache_key": "other"}),
        ({}, {"prompt_cache_key": "c2"}),
        ({"x_guard_conversation": "c3"}, {}),
    ):
        ask(house, chat(EMAIL, **members), **headers)
        seen.append(token(house))
    assert seen[0] == seen[1] and seen[2] == seen[3]
    assert len(set(seen)) == 4


def test_none_of_our_headers_and_no_credential_travels() -> None:
    house = House()
    ask(house, chat(EMAIL), x_guard_subject="maria", x_guard_conversation="c1", cookie="secret")
    (sent,) = house.upstream.sent
    assert sent.authorization is None
    assert not any(word in sent.body for word in (b"maria", b"c1", b"secret"))
    assert all(name.startswith("x-guard-") for name in HEADERS)


def test_a_subject_is_declared_by_the_header_or_by_the_mapped_field() -> None:
    house = House(subject_field="metadata.user_id")
    ask(house, chat(metadata={"user_id": "u1"}))
    ask(house, chat(metadata={"user_id": "u1"}), x_guard_subject="u2")
    ask(house, chat())
    intents = house.recorder.of("exchange.intent")
    assert [record.subject for record in intents] == ["u1", "u2", None]
    assert [record.sealed["subject"] for record in intents] == ["u1", "u2", None]


@pytest.mark.parametrize(
    ("asked", "counts"), [("public", "internal"), ("internal", "internal"), ("restricted", "restricted")]
)
def test_a_classification_may_only_be_raised(asked: str, counts: str) -> None:
    access = f'permit (principal, action, resource) when {{ context.classification == "{counts}" }};'
    assert ask(House(access=access), chat(), x_guard_classification=asked)


def test_a_value_first_recognised_late_changes_earlier_turns_once_and_is_counted() -> None:
    house = House()
    turns = [
        {"role": "user", "content": "Try canary9Zebra77 first."},
        {"role": "user", "content": "Nothing."},
        {"role": "user", "content": "password: canary9Zebra77"},
    ]
    ask(house, chat(messages=turns[:2]))
    assert b"canary9Zebra77" in house.upstream.sent[-1].body, "a word alone is not yet known as a secret"
    ask(house, chat(messages=turns))
    first = json.loads(house.upstream.sent[-1].body)["messages"]
    assert "canary9Zebra77" not in json.dumps(first)
    ask(house, chat(messages=[*turns, {"role": "user", "content": "Thanks."}]))
    again = json.loads(house.upstream.sent[-1].body)["messages"]
    assert again[:3] == first, "the prefix stays as it is from then on"
    assert [summary.prefix_changed for summary in house.observer.summaries] == [0, 1, 1]


def test_a_secret_is_restored_only_in_tools_that_the_application_lists() -> None:
    house = House(tools=Tools(secret=("Write",), egress=("WebFetch",)))

    def calls(body: bytes) -> Answer:
        arguments = json.dumps({"text": said(body)})
        made = [
            {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, name in enumerate(("Write", "WebFetch", "lookup"))
        ]
        message = {"role": "assistant", "content": said(body), "tool_calls": made}
        return Answer([json.dumps({"choices": [{"index": 0, "message": message}]}).encode()])

    house.upstream.behaviours["a"] = calls
    message = json.loads(ask(house, chat(f"{EMAIL} {AWS}")))["choices"][0]["message"]
    got = {call["function"]["name"]: call["function"]["arguments"] for call in message["tool_calls"]}
    assert EMAIL in message["content"] and AWS not in message["content"]
    assert EMAIL in got["Write"] and AWS in got["Write"]
    assert EMAIL in got["lookup"] and AWS not in got["lookup"]
    assert EMAIL not in got["WebFetch"] and AWS not in got["WebFetch"]
    (outcome,) = house.recorder.of("exchange.outcome")
    assert (outcome.fields["restored"], outcome.fields["withheld"]) == (4, 4)


def test_surrogates_of_earlier_turns_pass_unchanged_and_are_counted() -> None:
    house = House()
    answer = json.loads(ask(house, chat("about EMLX0123456789AB and again emlx0123456789ab")))
    assert answer["choices"][0]["message"]["content"] == "about EMLX0123456789AB and again emlx0123456789ab"
    assert house.recorder.records[-1].fields["surrogates"] == 2


def rules(record: Record) -> set[str]:
    """Return the rules that a record names."""
    named = record.fields["rules"]
    assert isinstance(named, list)
    return set(named)


# report mode ------------------------------------------------------------------------------
def test_report_mode_records_what_would_have_been_and_changes_nothing() -> None:
    house = House(policy=packed("strict"), reporting=True)
    body = chat(f"{EMAIL} {CARD}", metadata={EMAIL: 1, "jose." + EMAIL: 2})
    answer = ask(house, body)
    assert json.loads(house.upstream.sent[0].body) == {**json.loads(body), "model": "real"}
    assert EMAIL in answer.decode() and CARD in answer.decode()
    intent, outcome = house.recorder.records
    assert intent.fields["decision"] == "protect"
    assert {"never-leaves", "contact"} <= rules(intent)
    assert "answer-never" in rules(outcome) and outcome.fields["end"] == "complete"


def test_report_mode_lets_a_marked_id_pass_and_keeps_it_out_of_the_records() -> None:
    house = House(reporting=True)
    ask(house, chat(model="free-" + EMAIL))
    assert json.loads(house.upstream.sent[0].body)["model"] == "free-" + EMAIL
    assert EMAIL.encode() not in house.recorder.clear()
    assert house.recorder.records[0].fields["model"] == "free-*"


def test_report_mode_says_so_in_the_stamp_and_ends_with_the_next_exchange() -> None:
    house = House(reporting=True)
    assert asyncio.run(house.ask(chat())).stamp.reporting
    house.reporting = False
    assert not asyncio.run(house.ask(chat())).stamp.reporting
    ask(house, chat(EMAIL))
    assert EMAIL.encode() not in house.upstream.sent[-1].body


# limits -----------------------------------------------------------------------------------
def refused_for(house: House, body: bytes | None = None) -> LimitExceeded:
    """Return the limit that refuses an exchange."""
    error = asyncio.run(house.ask(body or chat())).error
    assert isinstance(error, LimitExceeded)
    return error


def test_a_full_window_is_known_without_asking_the_log_until_it_ends() -> None:
    house = House(limits=Limits(requests_per_minute=1))
    house.recorder.denials = 1
    assert refused_for(house).retry_after == 7
    asked = house.journal.count("append exchange.intent")
    house.now += 3.5
    assert refused_for(house).retry_after == 4
    assert house.journal.count("append exchange.intent") == asked, "the log was not asked"
    house.now += 3.6
    assert asyncio.run(house.ask(chat())).error is None
    assert house.recorder.types() == ["refused", "refused", "intent", "outcome"]


def test_early_shedding_comes_before_screening_and_after_reading() -> None:
    house = House(limits=Limits(requests_per_minute=1), policy=packed("strict"))
    house.recorder.denials = 1
    refused_for(house)
    assert refused_for(house, chat(CARD)).code == "rate_limit_exceeded"
    unread = asyncio.run(house.ask(b"{")).error
    assert unread is not None and unread.code == "invalid_json"


def test_a_running_count_that_is_full_is_asked_anew_each_time() -> None:
    house = House(limits=Limits(concurrency=1))
    house.recorder.denials = 1
    assert "limit of 1 concurrent" in refused_for(house).message
    assert asyncio.run(house.ask(chat())).error is None


# answers ----------------------------------------------------------------------------------
def test_an_answer_that_is_blocked_outside_of_every_choice_is_withheld_whole() -> None:
    house = House(policy=packed("strict"))
    house.upstream.behaviours["a"] = lambda _: Answer([whole("fine", note=f"card {CARD}")])
    error = asyncio.run(house.ask(chat())).error
    assert error is not None and error.code == "content_policy_violation"
    assert house.recorder.records[-1].fields["end"] == "blocked"
    assert house.recorder.records[-1].fields["rules"] == ["answer-never"]


def test_a_choice_that_is_blocked_is_an_outcome_of_that_name() -> None:
    house = House(policy=packed("strict"))
    house.upstream.behaviours["a"] = lambda _: Answer([whole("fine", f"the card {CARD} is")])
    choices = json.loads(ask(house, chat()))["choices"]
    assert [choice["finish_reason"] for choice in choices] == ["stop", "content_filter"]
    assert choices[1]["message"]["content"] == "the card "
    assert (
        choices[1]["message"]["refusal"] == "The answer was stopped by policy rule answer-never: CREDIT_CARD."
    )
    assert house.recorder.records[-1].fields["end"] == "blocked"


def test_a_call_of_a_choice_that_was_stopped_is_dropped_and_nothing_is_restored_for_it() -> None:
    house = House(policy=packed("pci"))

    def calls(body: bytes) -> Answer:
        function = {"name": "f", "arguments": json.dumps({"to": said(body)})}
        message = {
            "tool_calls": [{"id": "c", "type": "function", "function": function}],
            "content": f"the card {CARD}",
        }
        return Answer([json.dumps({"choices": [{"index": 0, "message": message}]}).encode()])

    house.upstream.behaviours["a"] = calls
    message = json.loads(ask(house, chat(EMAIL)))["choices"][0]["message"]
    assert set(message) == {"content", "refusal"} and message["content"] == "the card "
    assert house.recorder.records[-1].fields["restored"] == 0
