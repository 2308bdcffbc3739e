"""The normal view: what is folded and removed, and the way back."""

from __future__ import annotations

import random
import unicodedata

import pytest

from guard.screening.normalise import REMOVED_AT_ONCE, normalise

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u200e\u202e\u2066\ufe0f\u034f\u061c\U000e0041\u3164"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        pytest.param("ａｎｎ＠ｘ．ｃｏｍ", "ann@x.com", id="full width"),
        pytest.param("٤١١١ ۴۱۱۱ ४१११ 𝟒𝟏𝟏𝟏", "4111 4111 4111 4111", id="digits of other scripts"),
        pytest.param("415–555—2671−1‐2", "415-555-2671-1-2", id="dashes"),
        pytest.param("a\u00a0b\u2003c\u3000d\u202fe", "a b c d e", id="spaces"),
        pytest.param("a﹫b․com", "a@b.com", id="small at and one dot leader"),
        pytest.param("4\u200b1\u00ad1\u20601", "4111", id="invisible characters"),
        pytest.param(r"a\nb\tc\rd\\x", r"a  b  c  d\\x", id="written escapes become spaces"),
        pytest.param("é ß 中。", "é ß 中。", id="letters and the ideographic full stop stay"),
    ],
)
def test_what_is_folded(written: str, shown: str) -> None:
    assert normalise(written).text == shown


def test_ascii_is_its_own_view() -> None:
    text = "plain text, 4111"
    view = normalise(text)
    assert view.text is text
    assert view.original(3, 9) == (3, 9)


@pytest.mark.parametrize("invisible", ZERO_WIDTH, ids=lambda one: f"U+{ord(one):04X}")
def test_each_invisible_character_is_removed(invisible: str) -> None:
    text = f"é4{invisible}2"
    view = normalise(text)
    assert view.text == "é42"
    assert view.original(1, 3) == (1, 4)


def test_every_decimal_digit_of_unicode_is_read() -> None:
    digits = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) == "Nd"]
    assert len(digits) > 600
    assert normalise("".join(digits)).text == "".join(str(unicodedata.digit(one)) for one in digits)


def test_a_row_of_invisible_characters_is_removed_only_so_far() -> None:
    view = normalise("é" + "\u200b" * (REMOVED_AT_ONCE + 3) + "x")
    assert view.text == "é\u200b\u200b\u200bx"
    assert view.original(4, 5) == (REMOVED_AT_ONCE + 4, REMOVED_AT_ONCE + 5)


def slow_view(text: str) -> tuple[str, list[int]]:
    """Build the view of a text without long rows or escapes, character by character."""
    shown, origins = "", []
    for index, character in enumerate(text):
        if character in ZERO_WIDTH:
            continue
        shown += normalise(character).text
        origins.append(index)
    return shown, origins


def test_the_map_is_monotone_and_leads_back(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(500):
        text = "".join(source.choices("ab4é。１-" + ZERO_WIDTH, k=source.randint(0, 40)))
        view = normalise(text)
        shown, origins = slow_view(text)
        assert view.text == shown
        assert [view.index(index) for index in range(len(shown))] == origins
        for index, origin in enumerate(origins):
            assert view.view_index(origin) == index
        for position in range(len(text) + 1):
            assert view.view_index(position) == sum(origin < position for origin in origins)
        for start in range(len(shown)):
            for end in range(start + 1, len(shown) + 1):
                assert view.original(start, end) == (origins[start], origins[end - 1] + 1)
