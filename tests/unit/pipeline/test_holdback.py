"""What a holder lets through, and when."""

from __future__ import annotations

import pytest

from guard.domain.decision import Holdback
from guard.pipeline.holdback import Holder


def fed(level: Holdback, *pieces: str) -> list[str]:
    """Return what goes after each piece, and at the end."""
    holder = Holder(level)
    return [*(holder.feed(piece) for piece in pieces), holder.close()]


def test_without_a_level_everything_goes_at_once() -> None:
    assert fed(Holdback.NONE, "a", "", "b c.") == ["a", "", "b c.", ""]


@pytest.mark.parametrize("level", [Holdback.PART, Holdback.ANSWER])
def test_a_part_goes_when_it_is_whole(level: Holdback) -> None:
    assert fed(level, "One. ", "Two. ") == ["", "", "One. Two. "]


SENTENCES: dict[str, tuple[list[str], list[str]]] = {
    "an end that is followed": (["One", ". Two"], ["", "One.", " Two"]),
    "an end that may go on": (["3.", "14 is. ", "x"], ["", "3.14 is.", "", " x"]),
    "a question and a cry": (["Who? Me!", " No"], ["Who?", " Me!", " No"]),
    "a closing quotation": (['He said "no."', " Then"], ["", 'He said "no."', " Then"]),
    "a line": (["- one\n- two", "\n"], ["- one\n", "- two\n", ""]),
    "Chinese": (["一句。二", "句！三"], ["一句。", "二句！", "三"]),
    "no end at all": (["words and", " words"], ["", "", "words and words"]),
}


@pytest.mark.parametrize("what", SENTENCES)
def test_a_sentence_goes_when_it_has_ended(what: str) -> None:
    pieces, gone = SENTENCES[what]
    assert fed(Holdback.SENTENCE, *pieces) == gone
