"""Streaming equals batch, and every recognizer tells honestly where its end is open."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.screening.engine import RECOGNIZERS, Screener, compile_screener
from guard.screening.incremental import Incremental
from guard.screening.normalise import normalise
from guard.screening.tail import Tail
from guard.screening.view import Recognizer, View
from tests.properties.screening.texts import cuts, texts
from tests.unit.screening.seen import THRESHOLDS

Findings = list[tuple[str, int, int, float]]
SCREENER = compile_screener()


def batch(text: str, screener: Screener) -> Findings:
    """Screen a whole text."""
    return [(one.entity_type, one.start, one.end, one.score) for one in screener.screen(text)]


def streamed(pieces: Sequence[str], screener: Screener) -> tuple[str, Findings]:
    """Screen a text in pieces; put what is settled together again."""
    incremental = Incremental(screener)
    out = ""
    findings: Findings = []
    for settled in (*map(incremental.feed, pieces), incremental.close()):
        findings += [
            (one.entity_type, one.start + len(out), one.end + len(out), one.score) for one in settled.findings
        ]
        out += settled.text
    return out, findings


@given(texts.flatmap(lambda text: st.tuples(st.just(text), cuts(text))))
@settings(max_examples=300)
def test_cut_anywhere_the_findings_are_those_of_the_whole(drawn: tuple[str, list[str]]) -> None:
    text, pieces = drawn
    assert streamed(pieces, SCREENER) == (text, batch(text, SCREENER))


@given(texts)
def test_in_single_characters_the_findings_are_those_of_the_whole(text: str) -> None:
    assert streamed(text, SCREENER) == (text, batch(text, SCREENER))


@given(texts, st.integers(0, 400))
def test_at_every_single_cut_the_findings_are_those_of_the_whole(text: str, at: int) -> None:
    assert streamed([text[:at], text[at:]], SCREENER) == (text, batch(text, SCREENER))


@given(texts.flatmap(lambda text: st.tuples(st.just(text), cuts(text))), st.sampled_from(RECOGNIZERS))
@settings(max_examples=300)
def test_so_it_is_for_each_recognizer_alone(drawn: tuple[str, list[str]], recognizer: Recognizer) -> None:
    text, pieces = drawn
    screener = Screener(THRESHOLDS, (recognizer,))
    assert streamed(pieces, screener) == (text, batch(text, screener))


def final(text: str, recognizer: Recognizer, boundary: int) -> set[tuple[str, int, int, float]]:
    """Return the candidates of a view that begin before a boundary."""
    return {
        (one.entity_type, one.start, one.end, one.score)
        for one in recognizer.find(View(text))
        if one.start < boundary
    }


@given(texts, texts, st.sampled_from(RECOGNIZERS))
@settings(max_examples=400)
def test_before_the_open_end_nothing_that_follows_changes_anything(
    text: str, more: str, recognizer: Recognizer
) -> None:
    now, then = normalise(text).text, normalise(text + more).text
    boundary = Screener(THRESHOLDS, (recognizer,)).open_at(now)
    assert 0 <= boundary <= recognizer.open_at(Tail(now)) <= len(now)
    assert now[:boundary] == then[:boundary]
    assert final(now, recognizer, boundary) == final(then, recognizer, boundary)


@given(texts)
def test_less_is_held_than_the_longest_chain_of_what_may_be_open(text: str) -> None:
    incremental = Incremental(SCREENER)
    for character in text:
        incremental.feed(character)
        assert incremental.held <= 512 + 256 + 320 * 65
