"""Faults at every step: a clear error, nothing sent that should not be, and exactly one end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator, Mapping

import pytest

from guard.domain.finding import Finding
from guard.domain.principal import Limits
from guard.errors import (
    AuditUnavailable,
    Conflict,
    GuardError,
    InvalidRequest,
    ScreeningFailed,
    UpstreamError,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from guard.pipeline.answer import StreamReply
from guard.screening.engine import Screener
from guard.screening.tail import Tail
from guard.screening.view import Candidate, View
from guard.upstream.json_text import BodyLimits
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import CREDENTIAL, EMAIL, House, chat, done, frame, packed, streamed, whole

CARD = "5425 2334 3010 9903"


class BrokenScreener(Screener):
    """Fails with what it is given."""

    def __init__(self, error: Exception) -> None:
        super().__init__({})
        self._error = error

    def screen_steps(
        self, text: str, *, json_text: bool = False
    ) -> Generator[None, None, tuple[Finding, ...]]:
        yield
        raise self._error

    def screen(self, text: str, *, json_text: bool = False) -> tuple[Finding, ...]:
        raise self._error


class Poisoned:
    """A recognizer that cannot bear a word."""

    name = "poisoned"

    def find(self, view: View) -> Iterator[Candidate]:
        """Find nothing."""
        if "poison" in view.text:
            raise RuntimeError(EMAIL)
        return iter(())

    def open_at(self, tail: Tail) -> int:
        """Wait for nothing."""
        return len(tail.text)


def run(
    house: House,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    problem: GuardError | None = None,
    credential: str | None = CREDENTIAL,
) -> GuardError:
    """Run an exchange that fails; return its error, wherever it comes."""

    async def scenario() -> GuardError:
        asked = chat() if body is None else body
        result = await house.ask(asked, headers=headers, problem=problem, credential=credential)
        try:
            await done(result)
        except GuardError as error:
            return error
        raise AssertionError("the exchange was meant to fail")

    return asyncio.run(scenario())


def refused(house: House, code: str) -> None:
    """Check that nothing left and one refusal says why."""
    assert house.upstream.sent == []
    (record,) = house.recorder.records
    assert (record.type, record.fields["reason"]) == ("exchange.refused", code)
    assert record.opens is None and record.closes is None
    (summary,) = house.observer.summaries
    assert (summary.end, summary.code) == ("refused", code)


def failed(house: House, end: str = "failed") -> None:
    """Check that an intent is followed by one outcome of that end."""
    assert house.recorder.types() == ["intent", "outcome"]
    assert house.recorder.records[-1].fields["end"] == end
    (summary,) = house.observer.summaries
    assert summary.end == end


# 1 ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("credential", "code"),
    [(None, "missing_api_key"), ("garbage", "invalid_api_key"), ("gk_live_" + "A" * 36, "invalid_api_key")],
)
def test_a_stranger_is_counted_and_leaves_no_record(credential: str | None, code: str) -> None:
    house = House()
    assert run(house, credential=credential).code == code
    assert house.recorder.records == [] and house.upstream.sent == []
    assert house.strangers_counted() == {code: 1}


def test_a_strangers_unreadable_request_is_told_what_is_wrong_with_it_only_without_a_key() -> None:
    problem = InvalidRequest("use POST", code="method_not_allowed")
    house = House()
    assert run(house, credential=None, problem=problem).code == "method_not_allowed"
    assert run(house, credential="garbage", problem=problem).code == "invalid_api_key"
    assert house.strangers_counted() == {"invalid_api_key": 1, "method_not_allowed": 1}


# 2 and 3 ---------------------------------------------------------------------------------
TOO_LARGE = InvalidRequest("too large", code="body_too_large")
UNREADABLE: dict[str, tuple[bytes, dict[str, str], str]] = {
    "no JSON": (b"{", {}, "invalid_json"),
    "an unknown header": (chat(), {"x-guard-mode": "off"}, "unknown_header"),
    "a long header": (chat(), {"x-guard-subject": "s" * 257}, "header_too_long"),
    "an unknown class": (chat(), {"x-guard-classification": "secret"}, "invalid_header"),
    "a foreign purpose": (chat(), {"x-guard-purpose": "marketing"}, "purpose_required"),
    "a model for another purpose": (chat(), {"x-guard-purpose": "research"}, "model_not_allowed"),
    "an unknown model": (chat(model="nobody"), {}, "model_not_allowed"),
    "a value as the model": (chat(model=EMAIL), {}, "model_not_allowed"),
    "logprobs": (chat(logprobs=True), {}, "logprobs_refused"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_not_read_or_not_admitted_is_refused(what: str) -> None:
    body, headers, code = UNREADABLE[what]
    house = House(access='permit (principal, action, resource) when { context.purpose == "support" };')
    assert run(house, body, headers=headers).code == code
    refused(house, code)


def test_what_the_gateway_could_not_read_is_recorded_too() -> None:
    house = House()
    assert run(house, b"", problem=TOO_LARGE) is TOO_LARGE
    refused(house, "body_too_large")


def test_a_key_without_purposes_may_nothing() -> None:
    house = House(purposes=())
    assert run(house).code == "purpose_required"
    refused(house, "purpose_required")


def test_limits_of_the_body_are_the_gates() -> None:
    house = House(body_limits=BodyLimits(strings=5))
    assert run(house).code == "too_many_strings"
    refused(house, "too_many_strings")


def test_a_subject_that_is_too_long_is_refused_and_not_cut() -> None:
    house = House(subject_field="metadata.user_id")
    error = run(house, chat(metadata={"user_id": "é" * 129}))
    assert (error.code, error.position) == ("subject_too_long", "metadata.user_id")
    refused(house, "subject_too_long")


# 4 ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", ["short", "a text that is long enough to be remembered " * 3])
@pytest.mark.parametrize(
    ("error", "code"),
    [(ScreeningFailed("broke"), "screening_failed"), (RuntimeError(EMAIL), "internal_error")],
    ids=["told", "untold"],
)
def test_a_recognizer_that_breaks_denies(text: str, error: Exception, code: str) -> None:
    house = House(screener=BrokenScreener(error))
    shown = run(house, chat(text))
    assert shown.code == code and EMAIL not in shown.message
    refused(house, code)


def test_too_many_candidates_deny() -> None:
    house = House()
    assert run(house, chat("1.1.1.1 " * 21_000)).code == "too_many_candidates"
    refused(house, "too_many_candidates")


def test_a_finding_in_an_id_is_refused_with_its_position() -> None:
    house = House()
    messages = [{"role": "tool", "tool_call_id": EMAIL, "content": "x"}]
    error = run(house, chat(messages=messages))
    assert (error.code, error.position) == ("personal_data_in_id", "messages[0].tool_call_id")
    assert EMAIL not in error.message
    refused(house, "personal_data_in_id")


def test_a_finding_in_an_id_is_refused_even_if_it_would_be_kept_elsewhere() -> None:
    house = House()
    messages = [{"role": "tool", "tool_call_id": "10.0.0.1", "content": "10.0.0.1"}]
    assert run(house, chat(messages=messages)).code == "personal_data_in_id"
    refused(house, "personal_data_in_id")


# 5 ---------------------------------------------------------------------------------------
def test_a_block_names_rule_types_and_position_and_never_the_value() -> None:
    house = House(policy=packed("strict"))
    error = run(house, chat(f"card {CARD} and again {CARD}"))
    assert (error.code, error.position) == ("content_policy_violation", "messages[0].content")
    assert error.message == "blocked by policy rule never-leaves: 2 CREDIT_CARD"
    refused(house, "content_policy_violation")
    (record,) = house.recorder.records
    assert record.fields["rules"] == ["never-leaves"] and record.fields["entities"] == ["CREDIT_CARD"]
    assert record.fields["candidates"] == ["a/real"]


# 6 ---------------------------------------------------------------------------------------
def test_a_replacement_that_cannot_be_made_is_refused() -> None:
    policy = packed("default").replace(b"action: surrogate", b"action: redact")
    house = House(policy=policy)
    error = run(house, chat(metadata={EMAIL: 1, "jose." + EMAIL: 2}))
    assert error.code == "protection_failed"
    refused(house, "protection_failed")


# 7 ---------------------------------------------------------------------------------------
def test_an_intent_that_cannot_be_written_stops_everything() -> None:
    house = House()
    house.recorder.faults["exchange.intent"] = [AuditUnavailable("away")]
    assert run(house).code == "audit_unavailable"
    refused(house, "audit_unavailable")


def test_a_log_that_is_away_altogether_leaves_nothing_and_says_so() -> None:
    house = House()
    for kind in ("exchange.intent", "exchange.refused"):
        house.recorder.faults[kind] = [AuditUnavailable("away")] * 9
    assert run(house).code == "audit_unavailable"
    assert house.recorder.records == [] and house.upstream.sent == []


def test_a_refusal_that_cannot_be_written_is_a_fault_of_ours_and_not_the_refusal() -> None:
    house = House()
    house.recorder.faults["exchange.refused"] = [AuditUnavailable("away")]
    assert run(house, chat(model="nobody")).code == "audit_unavailable"
    assert house.recorder.records == []


def test_a_hold_that_is_denied_is_one_refusal_and_nothing_leaves() -> None:
    house = House(limits=Limits(requests_per_minute=1))
    house.recorder.denials = 1
    error = run(house)
    assert (error.code, getattr(error, "retry_after", None)) == ("rate_limit_exceeded", 7)
    assert "limit of 1 requests" in error.message
    refused(house, "rate_limit_exceeded")


# 8 ---------------------------------------------------------------------------------------
UPSTREAM = {
    "no connection": UpstreamUnavailable("gone"),
    "too late": UpstreamTimeout("late"),
    "a status about the request": UpstreamRejected("no", status=422),
    "a status about the provider": UpstreamRejected("no", status=503),
    "something else": UpstreamError("odd", code="upstream_invalid"),
    "a credential that the caller had to bring": InvalidRequest(
        "bring it", code="caller_authorization_missing"
    ),
}


@pytest.mark.parametrize("what", UPSTREAM)
def test_an_upstream_that_fails_ends_what_was_begun(what: str) -> None:
    house = House()
    house.upstream.behaviours["a"] = UPSTREAM[what]
    assert run(house) is UPSTREAM[what]
    failed(house)


def test_the_record_that_a_caller_is_told_is_the_intent_or_the_refusal() -> None:
    house = House(targets=(("a", "us"), ("b", "us")))
    house.upstream.behaviours["a"] = house.upstream.behaviours["b"] = UpstreamUnavailable("gone")
    failed_ = asyncio.run(house.ask(chat()))
    assert house.recorder.types() == ["intent", "intent", "outcome"] and failed_.stamp.record == 1
    refused_ = asyncio.run(house.ask(chat(model="nobody")))
    assert house.recorder.types()[3:] == ["refused"] and refused_.stamp.record == 3
    stranger = asyncio.run(house.ask(chat(), credential=None))
    assert stranger.stamp.record is None


def test_a_fault_of_ours_after_the_intent_ends_what_was_begun() -> None:
    house = House()
    house.upstream.behaviours["a"] = RuntimeError(EMAIL)
    error = run(house)
    assert error.code == "internal_error" and EMAIL not in error.message
    failed(house)
    assert [task for task, _ in house.observer.faults] == ["exchange"]


# 9 and 10 --------------------------------------------------------------------------------
ANSWERS: dict[str, tuple[Answer, str]] = {
    "no JSON": (Answer([b"{"]), "upstream_invalid"),
    "an error inside a success": (Answer([b'{"error":{"message":"x"}}']), "upstream_error"),
    "one that breaks off": (
        Answer([b"{"], error=UpstreamError("off", code="upstream_broken")),
        "upstream_broken",
    ),
}
STREAMS: dict[str, tuple[Answer, str]] = {
    "no events": (Answer([b"{}"]), "upstream_invalid"),
    "nothing at all": (Answer([]), "upstream_invalid"),
    "an error at once": (
        Answer([b'data: {"error":{}}\n\n', b'data: {"error":{"m":1}}\n\n']),
        "upstream_error",
    ),
    "an error in pieces": (Answer([b": hi\n\n", b'data: {"er', b'ror":{"m":1}}\n\n']), "upstream_error"),
}
BROKEN: dict[str, tuple[Answer, str]] = {
    "the end is missing": (Answer([frame({"content": "half"})]), "upstream_broken"),
    "it ends without a reason": (
        Answer([frame({"content": "half"}), b"data: [DONE]\n\n"]),
        "upstream_broken",
    ),
    "it ends with a reason alone": (Answer([frame({"content": "half"}, reason="stop")]), "upstream_broken"),
    "an end and no choice": (Answer([b'data: {"choices":[]}\n\ndata: [DONE]\n\n']), "upstream_broken"),
    "one of two choices goes on": (
        Answer([frame({"content": "a"}, index=1), *streamed("b")]),
        "upstream_broken",
    ),
    "the line breaks": (
        Answer([frame({"content": "half"})], error=UpstreamError("off", code="upstream_broken")),
        "upstream_broken",
    ),
    "an error in the middle": (
        Answer([frame({"content": "half"}), b'data: {"error":{"m":1}}\n\n']),
        "upstream_error",
    ),
    "rubbish in the middle": (Answer([frame({"content": "half"}), b"data: {\n\n"]), "upstream_invalid"),
    "more calls than can be held": (
        Answer(
            [
                frame({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "x" * 2**20}}]})
                for _ in range(5)
            ]
        ),
        "upstream_invalid",
    ),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_an_answer_that_cannot_be_read_is_an_error_and_its_connection_closed(what: str) -> None:
    answer, code = ANSWERS[what]
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer(answer.pieces, answer.error)
    assert run(house).code == code
    failed(house)
    assert house.upstream.answers[0].closed


@pytest.mark.parametrize("what", STREAMS)
def test_a_stream_that_fails_at_once_is_still_an_error_status(what: str) -> None:
    answer, code = STREAMS[what]
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer(answer.pieces)
    result = asyncio.run(house.ask(chat(stream=True)))
    assert result.error is not None and result.error.code == code
    failed(house)
    assert house.upstream.answers[0].closed


@pytest.mark.parametrize("what", BROKEN)
def test_a_stream_that_breaks_raises_and_is_never_ended_cleanly(what: str) -> None:
    answer, code = BROKEN[what]
    house = House()
    house.upstream.behaviours["a"] = lambda _: Answer(answer.pieces, answer.error)
    got: list[bytes] = []

    async def take(chunks: AsyncIterator[bytes]) -> None:
        async for chunk in chunks:
            got.append(chunk)

    async def scenario() -> None:
        reply = (await house.ask(chat(stream=True))).reply
        assert isinstance(reply, StreamReply)
        with pytest.raises(GuardError) as broken:
            await take(reply.chunks)
        assert broken.value.code == code
        await reply.close()

    asyncio.run(scenario())
    assert b"[DONE]" not in b"".join(got)
    failed(house)
    assert house.upstream.answers[0].closed


@pytest.mark.parametrize("stream", [False, True])
def test_a_recognizer_that_breaks_on_the_answer_withholds_the_rest(stream: bool) -> None:
    house = House(screener=Screener({}, [Poisoned()]))
    pieces = streamed("fine, ", "then poison. ", "More") if stream else [whole("poison")]
    house.upstream.behaviours["a"] = lambda _: Answer(pieces)
    error = run(house, chat(stream=stream))
    assert error.code == "recognizer_broke" and EMAIL not in error.message
    failed(house)


# 11 --------------------------------------------------------------------------------------
@pytest.mark.parametrize("stream", [False, True])
def test_an_outcome_that_cannot_be_written_withholds_the_end(stream: bool) -> None:
    house = House()
    house.recorder.faults["exchange.outcome"] = [AuditUnavailable("away")] * 9
    error = run(house, chat(stream=stream))
    assert error.code == "audit_unavailable"
    assert house.recorder.types() == ["intent"], "the gap is visible"


@pytest.mark.parametrize("stream", [False, True])
def test_an_outcome_that_fails_once_is_tried_again_as_a_failure(stream: bool) -> None:
    house = House()
    house.recorder.faults["exchange.outcome"] = [AuditUnavailable("away")]
    assert run(house, chat(stream=stream)).code == "audit_unavailable"
    assert house.recorder.types() == ["intent", "outcome"]
    assert house.recorder.records[-1].fields["end"] == "failed"


@pytest.mark.parametrize("stream", [False, True])
def test_an_exchange_that_somebody_took_for_lost_gives_nothing_more(stream: bool) -> None:
    house = House()
    house.recorder.faults["exchange.outcome"] = [Conflict("not open")] * 9
    error = run(house, chat(stream=stream))
    assert error.code == "audit_unavailable"
    assert house.recorder.types() == ["intent"]
