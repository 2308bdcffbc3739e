"""Telephone numbers."""

from __future__ import annotations

import pytest

from guard.screening.engine import compile_screener
from guard.screening.recognizers.phone import STEMS, STRONG, CnMobile, Phone
from tests.unit.screening.seen import alone, seen

PHONE, MOBILE = alone(Phone()), alone(CnMobile())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("+49 30 901820", "+49 30 901820", id="Germany"),
        pytest.param("+44 (0)20 7946 0958", "+44 (0)20 7946 0958", id="a trunk zero in parentheses"),
        pytest.param("+1-415-555-2671", "+1-415-555-2671", id="United States"),
        pytest.param("tel:+14155552671;ext=5", "+14155552671", id="in a link"),
        pytest.param("+81 3-3224-9999", "+81 3-3224-9999", id="Japan"),
        pytest.param("0049 30 901820", "0049 30 901820", id="two zeros"),
        pytest.param("Tel.: + 34 93 693 29 05.", "+ 34 93 693 29 05", id="a space behind the plus"),
        pytest.param("＋49 30 901820", "＋49 30 901820", id="full width"),
        pytest.param("+49\u00a030\u2011901820", "+49\u00a030\u2011901820", id="other spaces and dashes"),
        pytest.param("+49 30 90\u200b1820", "+49 30 90\u200b1820", id="an invisible character"),
        pytest.param("电话+8613912345678。", "+8613912345678", id="between Han characters"),
        pytest.param("415-555-2671", "415-555-2671", id="dashes"),
        pytest.param("(415) 555-2671", "(415) 555-2671", id="an area in parentheses"),
        pytest.param("(415)555-2671", "(415)555-2671", id="without a space"),
        pytest.param("1 (415) 555-2671", "1 (415) 555-2671", id="with the country"),
        pytest.param("(415-555-2671)", "415-555-2671", id="all in parentheses"),
        pytest.param("415.555.2671", "415.555.2671", id="dots"),
        pytest.param("415-555-2671x890", "415-555-2671", id="an extension"),
        pytest.param("Ph.415-555-2671", "415-555-2671", id="behind an abbreviation"),
        pytest.param("1-800-356-9377", "1-800-356-9377", id="toll free"),
    ],
)
def test_numbers_that_need_no_word(text: str, found: str) -> None:
    assert seen(text, PHONE) == [("PHONE_NUMBER", found)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("call 030 901820", "030 901820", id="a leading zero"),
        pytest.param("Tel.: 93 416 97 00 E-mail", "93 416 97 00", id="Spain"),
        pytest.param("Tfno: 926232991.", "926232991", id="one piece"),
        pytest.param("móvil 670.97.10.26 x", "670.97.10.26", id="dots that are no network address"),
        pytest.param("Fax: (5982) 487-3837", "5982) 487-3837", id="a country in parentheses"),
        pytest.param("Teléfono:55304000", "55304000", id="eight digits"),
        pytest.param("phone 4155552671", "4155552671", id="ten digits"),
        pytest.param("Phone: 867-5309", "867-5309", id="a local number"),
        pytest.param("phone_number: 4155552671", "4155552671", id="a field's name"),
        pytest.param("电话：010-62772114", "010-62772114", id="a landline in China"),
        pytest.param("Handy 0171 2345678", "0171 2345678", id="German"),
        pytest.param("portable 06 12 34 56 78", "06 12 34 56 78", id="French"),
    ],
)
def test_numbers_behind_a_word(text: str, found: str) -> None:
    assert seen(text, PHONE) == [("PHONE_NUMBER", found)]
    assert seen(found.replace(")", ""), PHONE) == [], "without the word it may be anything"


def test_a_list_behind_one_word() -> None:
    text = "Telfs.: 918823884 / 918823984"
    assert seen(text, PHONE) == [("PHONE_NUMBER", "918823884 / 918823984")] or len(seen(text, PHONE)) == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("+999 1234567", id="no such country"),
        pytest.param("+49 1", id="too short"),
        pytest.param("x+14155552671", id="a sum"),
        pytest.param("115-555-2671", id="no area begins with one"),
        pytest.param("415-155-2671", id="no exchange does"),
        pytest.param("415-555-26711", id="too long"),
        pytest.param("415 555-267", id="too short at home"),
        pytest.param("id-415-555-2671-9", id="part of a longer number"),
        pytest.param("0.0033123456789", id="a fraction"),
        pytest.param("2024 0032 2509 8000", id="digits go on before two zeros"),
        pytest.param("000123456789", id="a number that was filled with zeros"),
        pytest.param("phone released 2024-01-15 10", id="a date"),
        pytest.param("phone released 15/01/2024 10", id="another date"),
        pytest.param("phone at 192.168.10.20", id="a network address"),
        pytest.param("headphone 41555526", id="another word"),
        pytest.param("hotel 41555526", id="part of another word"),
        pytest.param("phone 123", id="too few digits"),
        pytest.param("telephone since 1999", id="a year"),
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert seen(text, PHONE) == []


@pytest.mark.parametrize(
    ("text", "score"),
    [("415-555-2671", 0.6), ("call 415-555-2671", 0.85), ("+49 30 901820", 0.85), ("phone 41555526", 0.6)],
)
def test_scores(text: str, score: float) -> None:
    assert [one.score for one in PHONE.screen(text)] == [score]


@pytest.mark.parametrize(
    "word",
    [
        *("phone", "work phone", "home_phone", "cell-phone", "telephone", "teléfono", "téléphone", "telefon"),
        *("tel", "tels", "telf", "tfno", "tlfno", "tlf", "telef", "móvil", "movil", "celular", "fax"),
        *("cell no", "whatsapp", "mobile phone", "手机", "电话", "传真"),
    ],
)
def test_every_word_for_a_telephone_holds_a_stem(word: str) -> None:
    """So the stems may be looked for first."""
    assert STRONG.search(f"a {word}: ") is not None
    assert any(stem in word for stem in STEMS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("13912345678", "13912345678", id="alone"),
        pytest.param("手机13912345678。2024年", "13912345678", id="between Han characters"),
        pytest.param("139 1234 5678", "139 1234 5678", id="groups"),
        pytest.param("139-1234-5678", "139-1234-5678", id="groups with dashes"),
        pytest.param("86-13912345678", "13912345678", id="behind the country"),
        pytest.param("手机 8613912345678", "8613912345678", id="with the country, in context"),
        pytest.param("１３９１２３４５６７８", "１３９１２３４５６７８", id="full width"),
        pytest.param("139\u200b12345678", "139\u200b12345678", id="an invisible character"),
    ],
)
def test_chinese_mobile_numbers(text: str, found: str) -> None:
    assert seen(text, MOBILE) == [("PHONE_NUMBER", found)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("12912345678", id="no such prefix"),
        pytest.param("139123456789", id="too long"),
        pytest.param("a13912345678", id="glued"),
        pytest.param("0.13912345678", id="a fraction"),
        pytest.param("13912345678.5", id="an amount"),
        pytest.param("8613912345678", id="with the country, without a word"),
        pytest.param("139 1234-5678", id="mixed separators"),
        pytest.param("1700000000000", id="milliseconds"),
    ],
)
def test_what_is_no_chinese_mobile_number(text: str) -> None:
    assert seen(text, MOBILE) == []


@pytest.mark.parametrize("gap", [" ", "  "])
def test_a_card_behind_a_number_does_not_hide_it(gap: str) -> None:
    text = f"+49 30 901820{gap}5425 2334 3010 9903"
    found = [(one.entity_type, text[one.start : one.end]) for one in compile_screener().screen(text)]
    assert found == [("PHONE_NUMBER", "+49 30 901820"), ("CREDIT_CARD", "5425 2334 3010 9903")]
