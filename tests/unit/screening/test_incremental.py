"""Screening from pieces: what goes on at once, what waits and how much, what it finds."""

from __future__ import annotations

import pytest

from guard.errors import ScreeningFailed
from guard.screening.engine import MAX_CANDIDATES, compile_screener
from guard.screening.incremental import Incremental
from guard.screening.normalise import REMOVED_AT_ONCE

SCREENER = compile_screener()


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        pytest.param("hello wor", "hello ", id="a word may become an address"),
        pytest.param("hello world ", "hello world ", id="after a space nothing can"),
        pytest.param("call 415 555 ", "call ", id="digits go on over spaces"),
        pytest.param("call 415 555 x ", "call 415 555 x ", id="a letter ends them"),
        pytest.param("to DE89 3704 ", "to ", id="an account number goes on over spaces"),
        pytest.param("你好，地址是北京", "你好，地址是北京", id="Han characters are borders"),
        pytest.param("你好ann", "你好", id="but a word behind them is open"),
        pytest.param("see -----BEGIN RSA ", "see ", id="a header has begun"),
        pytest.param(
            "-----BEGIN CERTIFICATE----- MIIB ", "-----BEGIN CERTIFICATE----- MIIB ", id="a public one"
        ),
        pytest.param("-----BEGIN PRIVATE KEY-----\nMIIB\n", "", id="a key has begun"),
        pytest.param("tok eyJhbGciOiJIUzI1NiJ9.e30.", "tok ", id="a token has begun"),
        pytest.param("a line\\", "a ", id="a backslash may begin the written end of a line"),
    ],
)
def test_what_goes_on_at_once(text: str, settled: str) -> None:
    incremental = Incremental(SCREENER)
    assert incremental.feed(text).text == settled
    assert incremental.held == len(text) - len(settled)
    assert incremental.close().text == text[len(settled) :]


def test_findings_count_from_the_settled_text() -> None:
    incremental = Incremental(SCREENER)
    assert incremental.feed("Dear Ann,\nyour mail ann.lee@acme-").findings == ()
    settled = incremental.feed("group.io is known. ")
    (found,) = settled.findings
    assert settled.text[found.start : found.end] == "ann.lee@acme-group.io"


def test_nothing_in_nothing_out() -> None:
    incremental = Incremental(SCREENER)
    assert incremental.feed("").text == ""
    assert incremental.close().text == ""


def test_invisible_characters_at_the_end_are_kept() -> None:
    incremental = Incremental(SCREENER)
    fed = incremental.feed("\u200b\u200b").text
    assert fed + incremental.close("\u200b").text == "\u200b\u200b\u200b"


@pytest.mark.parametrize(
    ("piece", "bound"),
    [
        pytest.param("x", 320, id="one long word"),
        pytest.param("1 ", 96 + 320, id="digits without end"),
        pytest.param("ann.lee@acme-group.io", 512 + 256 + 320, id="addresses that overlap in a chain"),
        pytest.param("4242 ", 512 + 256 + 96, id="cards that overlap in a chain"),
        pytest.param("AB12 ", 80 + 320, id="account numbers that are none"),
        pytest.param("Q" * 19 + "\u200b" * 200, 320 * (REMOVED_AT_ONCE + 1), id="invisible characters"),
        pytest.param("/+9aB", 320, id="base64 that no word announces"),
    ],
)
def test_what_is_held_is_bounded(piece: str, bound: int) -> None:
    incremental = Incremental(SCREENER)
    most = 0
    for _ in range(6_000 // len(piece)):
        incremental.feed(piece)
        most = max(most, incremental.held)
    assert 0 < most <= bound + len(piece)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("eyJ" + "a" * 40_000, id="a token without end"),
        pytest.param("-----BEGIN PRIVATE KEY-----" + "a b " * 10_000, id="a key without end"),
        pytest.param("password=" + "aB3$" * 10_000, id="a password without end"),
    ],
)
def test_what_announces_itself_is_held_to_its_limit(text: str) -> None:
    incremental = Incremental(SCREENER)
    most = 0
    for at in range(0, len(text), 500):
        incremental.feed(text[at : at + 500])
        most = max(most, incremental.held)
    assert 1_900 < most <= 8_192 + 500


def test_what_was_sent_is_forgotten() -> None:
    incremental = Incremental(SCREENER)
    for _ in range(1_000):
        incremental.feed("some words that are sent at once ")
    assert len(incremental._text) < 1_000


def test_too_many_candidates_refuse_the_rest() -> None:
    incremental = Incremental(SCREENER)
    with pytest.raises(ScreeningFailed):
        incremental.feed("a@b.io " * (MAX_CANDIDATES + 1))
