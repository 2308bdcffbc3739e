"""Laws of findings: in order, apart, inside the text, and of the text alone."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from guard.domain.entities import CATALOGUE
from guard.screening.engine import RECOGNIZERS, Screener, compile_screener
from guard.screening.normalise import normalise
from guard.screening.view import LEFT, RIGHT, Recognizer, View
from tests.properties.screening.texts import VALUES, texts
from tests.unit.screening.seen import THRESHOLDS

SCREENER = compile_screener()
SENTENCE = "lorem ipsum dolor sit amet consectetur adipiscing elit sed eiusmod tempor\n"


@given(texts)
def test_findings_are_in_order_apart_and_inside(text: str) -> None:
    findings = SCREENER.screen(text)
    for one in findings:
        assert 0 <= one.start < one.end <= len(text)
        assert THRESHOLDS[one.entity_type] <= one.score <= 1
        assert one.entity_type in CATALOGUE
    for one, other in pairwise(findings):
        assert one.end <= other.start


@given(st.text(max_size=60))
def test_any_text_can_be_screened(text: str) -> None:
    for one in SCREENER.screen(text):
        assert 0 <= one.start < one.end <= len(text)


@given(texts)
def test_sentences_round_a_text_only_move_its_findings(text: str) -> None:
    """What decides stands near: neither the beginning nor the end of a text nor its length counts."""
    before, after = SENTENCE * 40, "\n" + SENTENCE * 30
    moved = [
        (one.entity_type, one.start - len(before), one.end - len(before), one.score)
        for one in SCREENER.screen(before + text + after)
    ]
    inside = [(one.entity_type, one.start, one.end, one.score) for one in SCREENER.screen("\n" + text + "\n")]
    assert moved == [(name, start - 1, end - 1, score) for name, start, end, score in inside]


@given(texts, st.sampled_from(RECOGNIZERS))
def test_each_recognizer_looks_only_so_far(text: str, recognizer: Recognizer) -> None:
    """A candidate is the same if all beyond ``LEFT`` before it and beyond its reach is cut off."""
    shown = normalise("\n" + text + "\n").text
    for one in SCREENER_OF[recognizer.name].candidates(shown, 0):
        low = max(0, one.start - LEFT)
        high = one.end + RIGHT
        alone = SCREENER_OF[recognizer.name].candidates(shown[low:high], 0)
        assert (one.entity_type, one.start - low, one.end - low) in {
            (other.entity_type, other.start, other.end) for other in alone
        }


SCREENER_OF = {one.name: Screener(THRESHOLDS, (one,)) for one in RECOGNIZERS}


@given(st.lists(st.sampled_from(VALUES), min_size=1, max_size=5))
def test_values_in_sentences_are_all_found(values: list[str]) -> None:
    findings = SCREENER.screen(
        "".join(f"lorem {value} ipsum\n" for value in values if "X01234567" not in value.upper())
    )
    assert len(findings) >= sum("X01234567" not in value.upper() for value in values)


@given(texts)
def test_views_share_nothing(text: str) -> None:
    """A recognizer gives the same however often and after whatever it is asked."""
    view = View(normalise(text).text)
    once = [[*recognizer.find(view)] for recognizer in RECOGNIZERS]
    again = [[*recognizer.find(View(view.text))] for recognizer in reversed(RECOGNIZERS)]
    assert once == again[::-1]
