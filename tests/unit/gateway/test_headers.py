"""Headers of requests are unambiguous; those of answers say what was known before the first byte."""

from __future__ import annotations

import pytest

from guard.domain.event import CheckpointSummary
from guard.errors import InvalidRequest
from guard.gateway.headers import read_headers, stamp_headers
from guard.pipeline.result import Stamp


def test_names_are_lower_case_and_values_as_they_came() -> None:
    assert read_headers([(b"Content-Type", b"a"), (b"X-Guard-Subject", b"Zo\xeb")]) == {
        "content-type": "a",
        "x-guard-subject": "Zoë",
    }


@pytest.mark.parametrize(
    "name",
    [
        b"authorization",
        b"x-api-key",
        b"X-Goog-Api-Key",
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"x-guard-key",
        b"x-guard-anything",
    ],
)
def test_a_header_that_counts_stands_once(name: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_headers([(name, b"a"), (name.upper(), b"a")])
    assert refused.value.code == "duplicate_header"
    assert "anything" not in refused.value.message


def test_others_may_stand_twice() -> None:
    assert read_headers([(b"accept", b"a"), (b"accept", b"b")]) == {"accept": "b"}


def test_two_ways_to_say_how_long_a_body_is_are_one_too_many() -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_headers([(b"content-length", b"5"), (b"transfer-encoding", b"chunked")])
    assert refused.value.code == "ambiguous_length"


def told(stamp: Stamp) -> dict[str, str]:
    """Return an answer's headers."""
    listed = stamp_headers(stamp)
    named = {name.decode(): value.decode() for name, value in listed}
    assert len(named) == len(listed)
    return named


def test_what_is_not_known_is_not_said() -> None:
    assert told(Stamp(exchange="x1", guard_seconds=0.00194)) == {
        "x-guard-request": "x1",
        "server-timing": "guard;dur=1.9",
    }


def test_what_is_known_is_said_as_the_outer_contract_has_it() -> None:
    stamp = Stamp(
        exchange="x1",
        policy="sha256:0123456789abcdef0123",
        entities={"JWT": 1, "EMAIL_ADDRESS": 2},
        record=0,
        checkpoint=CheckpointSummary(origin="guard/acme", size=7, root="cm9vdA=="),
        guard_seconds=0.25,
        reporting=True,
    )
    assert told(stamp) == {
        "x-guard-request": "x1",
        "server-timing": "guard;dur=250.0",
        "x-guard-policy": "0123456789ab",
        "x-guard-entities": "EMAIL_ADDRESS=2,JWT=1",
        "x-guard-record": "0",
        "x-guard-checkpoint": "guard/acme 7 cm9vdA==",
        "x-guard-enforcement": "report",
    }
