"""Records made of what is known of an exchange: buckets, names, and nothing that was found."""

from __future__ import annotations

import pytest

from guard.domain.decision import Decision, Obligation, Operator
from guard.domain.event import Denied, Hold, HoldUnit, Receipt
from guard.domain.exchange import Encoding, Part, PartKind, Target
from guard.domain.finding import Finding
from guard.errors import GuardError, LimitExceeded, PolicyDenied, UpstreamTimeout
from guard.pipeline.trail import ABORTED, FEATURES, Trail, bucket

A = Target(provider="a", model="real", region="us")
FOUND = Finding(entity_type="JWT", start=2, end=9, score=0.954, recognizer="t")
NOTHING = Decision(obligations=(), rules=(), blocked=())
RECEIPT = Receipt(tenant="acme", index=5, time=1, id="leaf")
DENIED = Denied(
    hold=Hold(key="k", unit=HoldUnit.REQUESTS, amount=1, cap=1, window=60), receipt=RECEIPT, retry_after=3
)


def trail() -> Trail:
    """Return a trail at its beginning."""
    return Trail(exchange="x1", route="openai.chat", size=2000)


@pytest.mark.parametrize(
    ("size", "name"),
    [
        (0, "0-256"),
        (255, "0-256"),
        (256, "256-1k"),
        (1023, "256-1k"),
        (1024, "1k-4k"),
        (4095, "1k-4k"),
        (4096, "4k-16k"),
        (2**20 - 1, "256k-1m"),
        (2**20, "1m-4m"),
        (8 * 2**20, "4m-16m"),
    ],
)
def test_sizes_are_told_in_buckets_of_powers_of_four(size: int, name: str) -> None:
    assert bucket(size) == name


def test_findings_become_counts_and_bounded_features() -> None:
    known = trail()
    known.found([[FOUND], [], [FOUND] * (FEATURES + 5)])
    assert known.counts == {"JWT": FEATURES + 6}
    assert len(known.features) == FEATURES
    assert known.features[0] == [0, "JWT", 2, 9, 954] and known.features[1] == [2, "JWT", 2, 9, 954]


def test_an_intent_says_whether_anything_was_changed() -> None:
    keep, mask = (
        Decision(
            obligations=((Obligation(finding=FOUND, operator=operator, rule="r"),),), rules=("r",), blocked=()
        )
        for operator in (Operator.KEEP, Operator.MASK)
    )
    known = trail()
    assert known.intent(A, keep, b"", ()).fields["decision"] == "allow"
    assert known.intent(A, mask, b"", ()).fields["decision"] == "protect"
    assert known.intent(A, NOTHING, b"", ()).fields["decision"] == "allow"


def test_attempts_count_what_is_durable() -> None:
    known = trail()
    assert known.intent(A, NOTHING, b"", ()).fields["attempt"] == 1
    assert known.intent(A, NOTHING, b"", ()).fields["attempt"] == 1, "the first was never written"
    known.told(A, RECEIPT)
    assert known.intent(A, NOTHING, b"", ()).fields["attempt"] == 2
    assert (known.attempt, known.target, known.ended) == (1, A, False)


def test_a_denied_intent_has_ended_the_exchange_and_begun_nothing() -> None:
    known = trail()
    known.told(A, DENIED)
    assert (known.attempt, known.target, known.ended) == (0, None, True)


ENDS: list[tuple[GuardError, bool, str, str]] = [
    (GuardError("x"), False, "exchange.refused", "refused"),
    (GuardError("left", code=ABORTED), False, "exchange.refused", "refused"),
    (GuardError("x"), True, "exchange.outcome", "failed"),
    (UpstreamTimeout("x"), True, "exchange.outcome", "failed"),
    (GuardError("left", code=ABORTED), True, "exchange.outcome", "aborted"),
    (PolicyDenied("x", rules=("r",)), True, "exchange.outcome", "blocked"),
]


@pytest.mark.parametrize(("error", "begun", "kind", "end"), ENDS)
def test_an_end_without_an_answer_depends_on_whether_anything_was_begun(
    error: GuardError, begun: bool, kind: str, end: str
) -> None:
    known = trail()
    if begun:
        known.told(A, RECEIPT)
    assert known.nothing(error).end == end
    record = known.end(error)
    assert record.type == kind and known.ended
    assert record.closes == ("x1" if begun else None)


def test_a_refusal_names_the_rules_that_decided() -> None:
    known = trail()
    known.rules = ("earlier",)
    assert known.refused(PolicyDenied("x", rules=("r1", "r2"))).fields["rules"] == ["r1", "r2"]
    assert known.refused(LimitExceeded("x", retry_after=1)).fields["rules"] == ["earlier"]


def part(text: str) -> Part:
    """Return the part of a model's name."""
    return Part(
        index=0,
        position="model",
        text=text,
        kind=PartKind.STRUCTURAL,
        encoding=Encoding.TEXT,
        by_caller=True,
    )


def test_a_name_asked_for_is_recorded_unless_something_was_found_in_it() -> None:
    known = trail()
    known.model = "free-*"
    known.asked("free-7", [part("free-7")], [()])
    known.reject(Target(provider="a", model="free-7", region="us"))
    assert (known.model, known.rejected) == ("free-7", ["a/free-7"])
    marked = trail()
    marked.model = "free-*"
    marked.asked("free-maria", [part("free-maria")], [(FOUND,)])
    marked.reject(Target(provider="a", model="free-maria", region="us"))
    marked.reject(Target(provider="b", model="real", region="us"))
    assert (marked.model, marked.rejected) == ("free-*", ["a/free-*", "b/real"])
    assert "maria" not in repr(marked)


def test_a_stranger_would_be_recorded_in_the_systems_log() -> None:
    assert trail().tenant == "system"
