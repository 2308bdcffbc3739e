"""The engine: windows, caps, faults, thresholds, JSON sources, surrogates."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from guard.errors import ScreeningFailed
from guard.screening.engine import MAX_CANDIDATES, RECOGNIZERS, WINDOW, Screener, compile_screener
from guard.screening.tail import Tail
from guard.screening.view import Candidate, View
from tests.unit.screening.seen import THRESHOLDS, seen, types

KEY = "-----BEGIN PRIVATE KEY-----\n" + "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA"] * 90)
JWT = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" * 200 + ".c2lnbmF0dXJl"
VALUES = {
    "EMAIL_ADDRESS": "ann.lee@acme-group.io",
    "CREDIT_CARD": "4539 1488 0343 6467",
    "IBAN_CODE": "DE89 3704 0044 0532 0130 00",
    "US_SSN": "219-09-9998",
    "PHONE_NUMBER": "+49 30 901820",
    "CN_RESIDENT_ID": "11010519491231002X",
    "IP_ADDRESS": "93.184.216.34",
    "MAC_ADDRESS": "3c:22:fb:9a:10:7e",
    "URL_CREDENTIALS": "root:hunter2hunter",
    "GITHUB_TOKEN": "ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a"[:36],
    "JWT": JWT,
    "PRIVATE_KEY": f"{KEY}\n-----END PRIVATE KEY-----",
    "SECRET_IN_CONTEXT": hashlib.shake_128(b"secret").hexdigest(800),
}
AROUND = {"URL_CREDENTIALS": ("https://", "@db.acme.io/x"), "SECRET_IN_CONTEXT": ("token=", "")}


@pytest.mark.parametrize("entity_type", VALUES)
def test_a_value_across_the_border_of_a_window_is_found_whole(entity_type: str) -> None:
    """Wherever the border falls: before, in and behind the value."""
    value = VALUES[entity_type]
    before, after = AROUND.get(entity_type, ("", ""))
    steps = sorted({*range(0, min(len(value), 40), 3), len(value) // 2, len(value) - 1, len(value)})
    for shift in steps:
        padding = "lorem ipsum " * (2 * WINDOW // 12)
        text = padding[: 2 * WINDOW - shift - len(before) - 1] + " " + before + value + after + " dolor" * 400
        assert seen(text) == [(entity_type, value)], shift


def test_a_long_text_is_screened_in_steps() -> None:
    steps = compile_screener().screen_steps("word " * WINDOW)
    count = sum(1 for _ in steps)
    assert count == 5 - 1, "one pause between two windows"


class Flood:
    """Finds something everywhere."""

    name = "flood"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield a candidate for each character."""
        for at in range(len(view.text)):
            yield Candidate(entity_type="US_SSN", start=at, end=at + 1, score=1.0, recognizer=self.name)

    def open_at(self, tail: Tail) -> int:
        """Nothing is open."""
        return len(tail.text)


def test_too_many_candidates_refuse_the_text() -> None:
    screener = Screener(THRESHOLDS, (Flood(),))
    assert len(screener.screen("x" * MAX_CANDIDATES)) == MAX_CANDIDATES
    with pytest.raises(ScreeningFailed) as failure:
        screener.screen("x" * (MAX_CANDIDATES + 1))
    assert failure.value.code == "too_many_candidates"


class Broken(Flood):
    """Finds one thing, then breaks with a message that quotes the text."""

    name = "broken"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield once."""
        yield Candidate(entity_type="US_SSN", start=0, end=1, score=1.0, recognizer=self.name)
        raise ValueError(view.text)


@pytest.mark.parametrize("place", [0, len(RECOGNIZERS)], ids=["first", "last"])
def test_a_recognizer_that_breaks_refuses_the_text(place: int) -> None:
    recognizers = [*RECOGNIZERS]
    recognizers.insert(place, Broken())
    with pytest.raises(ScreeningFailed) as failure:
        Screener(THRESHOLDS, recognizers).screen("write to ann.lee@acme-group.io")
    assert failure.value.code == "recognizer_broke"
    assert "broken" in failure.value.message and "ValueError" in failure.value.message
    assert "ann" not in failure.value.message
    assert failure.value.__cause__ is None and failure.value.__suppress_context__


@pytest.mark.parametrize(
    ("threshold", "found"), [(0.5, ["US_SSN"]), (0.7, ["US_SSN"]), (0.71, []), (1.0, [])]
)
def test_below_its_threshold_a_candidate_is_no_finding(threshold: float, found: list[str]) -> None:
    assert types("it is 219-09-9998", compile_screener({"US_SSN": threshold})) == found


def test_other_types_keep_their_own_threshold() -> None:
    assert types("219-09-9998 ann.lee@acme-group.io", compile_screener({"US_SSN": 1.0})) == ["EMAIL_ADDRESS"]


@pytest.mark.parametrize(
    ("source", "written"),
    [
        pytest.param(
            r'{"to":"ann.lee\u0040acme-group.io"}', r"ann.lee\u0040acme-group.io", id="escaped sign"
        ),
        pytest.param(r'{"to":"a\tann.lee@acme-group.io\n"}', "ann.lee@acme-group.io", id="escapes round it"),
        pytest.param('{"to":"ann.lee@acme-group.io"}', "ann.lee@acme-group.io", id="nothing escaped"),
        pytest.param(
            r'{"a":"\ud83d\ude00 ann.lee@acme-group.io"}',
            "ann.lee@acme-group.io",
            id="after a pair of halves",
        ),
    ],
)
def test_json_sources_are_read_as_what_they_mean(source: str, written: str) -> None:
    (found,) = compile_screener().screen(source, json_text=True)
    assert source[found.start : found.end] == written


@pytest.mark.parametrize(
    "text",
    [
        "EMLX0123456789AB@guard.invalid",
        "emlx0123456789ab@guard.invalid",
        "password: SECX0123456789AB",
        "api_key=OAIX0A1B2C3D4E5F",
        "mail EMLX0123456789AB@guard.invalid, call PHNX0123456789AB",
    ],
)
def test_our_own_surrogates_are_no_findings(text: str) -> None:
    assert seen(text) == []


def test_beside_a_surrogate_everything_is_found() -> None:
    text = "EMLX0123456789AB@guard.invalid ann.lee@acme-group.io"
    assert seen(text) == [("EMAIL_ADDRESS", "ann.lee@acme-group.io")]


def test_what_only_resembles_a_surrogate_is_screened() -> None:
    assert types("EMLX0123456789ABC@acme-group.io") == ["EMAIL_ADDRESS"]
