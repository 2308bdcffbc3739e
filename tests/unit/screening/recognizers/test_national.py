"""National identity numbers."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.card import Card
from guard.screening.recognizers.national import CnResidentId, UsSsn
from tests.unit.screening.seen import alone, seen

SSN, CN = alone(UsSsn()), alone(CnResidentId())


@pytest.mark.parametrize(
    ("text", "found", "score"),
    [
        pytest.param("219-09-9998", "219-09-9998", 0.7, id="alone"),
        pytest.param("SSN: 219-09-9998", "219-09-9998", 0.95, id="with a word"),
        pytest.param("(219-09-9998)", "219-09-9998", 0.7, id="in parentheses"),
        pytest.param("No.219-09-9998", "219-09-9998", 0.7, id="behind an abbreviation"),
        pytest.param("social security number 219 09 9998", "219 09 9998", 0.95, id="spaces with a word"),
        pytest.param("ssn 219.09.9998", "219.09.9998", 0.95, id="dots with a word"),
        pytest.param("SSN 219099998", "219099998", 0.8, id="bare with a word"),
        pytest.param("219–09–9998", "219–09–9998", 0.7, id="other dashes"),
        pytest.param("２１９-０９-９９９８", "２１９-０９-９９９８", 0.7, id="full width"),
        pytest.param("2\u200b19-09-9998", "2\u200b19-09-9998", 0.7, id="an invisible character"),
        pytest.param("号码219-09-9998。", "219-09-9998", 0.7, id="between Han characters"),
    ],
)
def test_social_security_numbers(text: str, found: str, score: float) -> None:
    assert seen(text, SSN) == [("US_SSN", found)]
    assert [one.score for one in SSN.screen(text)] == [score]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("000-09-9998", id="no such area"),
        pytest.param("666-09-9998", id="another"),
        pytest.param("900-09-9998", id="an area of taxpayer numbers"),
        pytest.param("219-00-9998", id="no such group"),
        pytest.param("219-09-0000", id="no such serial"),
        pytest.param("078-05-1120", id="the number of a wallet's advertisement"),
        pytest.param("123-45-6789", id="the number of every example"),
        pytest.param("219 09 9998", id="spaces without a word"),
        pytest.param("219.09.9998", id="dots without a word"),
        pytest.param("219099998", id="bare without a word"),
        pytest.param("219-09 9998", id="mixed separators"),
        pytest.param("219-09-99981", id="too long"),
        pytest.param("1-219-09-9998", id="part of a longer number"),
        pytest.param("219-09-9998-1", id="a number that goes on"),
        pytest.param("AB-219-09-9998", id="part of a name"),
        pytest.param("id_219-09-9998", id="part of an identifier"),
    ],
)
def test_what_is_no_social_security_number(text: str) -> None:
    assert seen(text, SSN) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("11010519491231002X", "11010519491231002X", id="the standard's example"),
        pytest.param("11010519491231002x", "11010519491231002x", id="a small letter"),
        pytest.param("身份证11010519491231002X，", "11010519491231002X", id="between Han characters"),
        pytest.param("110105 19491231 002X", "110105 19491231 002X", id="in groups"),
        pytest.param("110105-19491231-002X", "110105-19491231-002X", id="in groups with dashes"),
        pytest.param(
            "１１０１０５１９４９１２３１００２Ｘ", "１１０１０５１９４９１２３１００２Ｘ", id="full width"
        ),
        pytest.param("1101051949\u200b1231002X", "1101051949\u200b1231002X", id="an invisible character"),
    ],
)
def test_resident_numbers(text: str, found: str) -> None:
    assert seen(text, CN) == [("CN_RESIDENT_ID", found)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("110105194912310021", id="wrong check character"),
        pytest.param("16010519491231002X", id="no such province"),
        pytest.param("11010518801231002X", id="born too long ago"),
        pytest.param("11010519491331002X", id="no such month"),
        pytest.param("11010519490231002X", id="no such day"),
        pytest.param("x11010519491231002X", id="glued before"),
        pytest.param("11010519491231002X1", id="glued behind"),
        pytest.param("110105 19491231-002X", id="mixed separators"),
        pytest.param("1101051949123100", id="too short"),
    ],
)
def test_what_is_no_resident_number(text: str) -> None:
    assert seen(text, CN) == []


def test_a_resident_number_that_passes_luhn_too_is_no_card() -> None:
    both = "620105197003150771"
    assert seen(f"卡 {both}", alone(Card())) == [("CREDIT_CARD", both)]
    assert seen(f"卡 {both}") == [("CN_RESIDENT_ID", both)]
