"""Payment cards."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.card import TEST, Card
from tests.unit.screening.seen import alone, seen, types
from tests.unit.screening.vectors import CARDS

CARD = alone(Card())
NUMBER = "4539148803436467"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(NUMBER, NUMBER, id="alone"),
        pytest.param("4539 1488 0343 6467", "4539 1488 0343 6467", id="spaces"),
        pytest.param("4539-1488-0343-6467", "4539-1488-0343-6467", id="dashes"),
        pytest.param("4539.1488.0343.6467", "4539.1488.0343.6467", id="dots in the usual grouping"),
        pytest.param("3782 822463 10013", "3782 822463 10013", id="four, six and five"),
        pytest.param("card no.4539148803436467", NUMBER, id="behind an abbreviation"),
        pytest.param("Ann,4539148803436467,12/27,123", NUMBER, id="a column of a table"),
        pytest.param("1042,4539148803436467,99", NUMBER, id="between columns of numbers"),
        pytest.param("4539148803436467/12/27", NUMBER, id="before an expiry date"),
        pytest.param("pay/4539148803436467.", NUMBER, id="in a path, at the end of a sentence"),
        pytest.param("卡号4539148803436467，有效", NUMBER, id="between Han characters"),
        pytest.param("４５３９１４８８０３４３６４６７", "４５３９１４８８０３４３６４６７", id="full width"),
        pytest.param("4539\u00a01488\u20030343 6467", "4539\u00a01488\u20030343 6467", id="other spaces"),
        pytest.param("4539–1488–0343–6467", "4539–1488–0343–6467", id="other dashes"),
        pytest.param(
            "4539\u200b1488\u200b0343\u200b6467", "4539\u200b1488\u200b0343\u200b6467", id="invisible"
        ),
        pytest.param("٤٥٣٩١٤٨٨٠٣٤٣٦٤٦٧", "٤٥٣٩١٤٨٨٠٣٤٣٦٤٦٧", id="Arabic digits"),
        pytest.param("card 36006666333344", "36006666333344", id="a short one with a word"),
        pytest.param("6304 1234 5678 9015", "6304 1234 5678 9015", id="Maestro"),
    ],
)
def test_numbers(text: str, found: str) -> None:
    assert seen(text, CARD) == [("CREDIT_CARD", found)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("4539148803436468", id="wrong check digit"),
        pytest.param("9539148803436460", id="no brand"),
        pytest.param("45391488034364", id="wrong length"),
        pytest.param("36006666333344", id="a short one without a word"),
        pytest.param("0.4539148803436467", id="a fraction"),
        pytest.param("4539148803436467.25", id="an amount"),
        pytest.param("17-4539148803436467", id="part of a longer number"),
        pytest.param("id_4539148803436467", id="part of a name"),
        pytest.param("a4539148803436467f", id="part of a hash"),
        pytest.param("+4539148803436467", id="with a sign"),
        pytest.param("45391488034364671234", id="too long"),
        pytest.param("453 914 880 343 6467", id="no card is grouped so"),
        pytest.param("4539 1488-0343 6467", id="mixed separators"),
        pytest.param("453914880343.6467", id="dots in no usual grouping"),
        pytest.param("4444444444444444", id="one digit all along"),
        pytest.param("4539  1488  0343  6467", id="empty groups"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, CARD) == []


@pytest.mark.parametrize("number", CARDS)
def test_published_test_numbers_have_a_type_of_their_own(number: str) -> None:
    assert number in TEST
    assert seen(f"card {number}", CARD) == [("CREDIT_CARD_TEST", number)]


@pytest.mark.parametrize("digit", "0123456789")
def test_only_the_right_check_digit_counts(digit: str) -> None:
    assert types(f"card {NUMBER[:-1]}{digit}", CARD) == (["CREDIT_CARD"] if digit == "7" else [])


@pytest.mark.parametrize(
    ("text", "score"), [(NUMBER, 0.85), (f"visa {NUMBER}", 0.95), ("4539 1488 0343 6467", 0.95)]
)
def test_groups_and_words_make_it_surer(text: str, score: float) -> None:
    (found,) = CARD.screen(text)
    assert found.score == score
