"""IBANs."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.iban import LENGTHS, Iban
from tests.unit.screening.seen import alone, seen
from tests.unit.screening.vectors import IBANS

IBAN = alone(Iban())
NUMBER = "DE89370400440532013000"
GROUPED = "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize("number", IBANS, ids=lambda number: number[:2])
def test_registry_examples_in_one_piece_in_groups_and_in_small_letters(number: str) -> None:
    grouped = " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    for written in (number, grouped, grouped.replace(" ", "-"), number.lower()):
        assert seen(f"to {written}, please", IBAN) == [("IBAN_CODE", written)]
        assert seen(f"to {written} please", IBAN) == [("IBAN_CODE", written)]


@pytest.mark.parametrize("number", IBANS, ids=lambda number: number[:2])
def test_a_wrong_last_character_is_noticed(number: str) -> None:
    wrong = "1" if number[-1] != "1" else "2"
    assert seen(number[:-1] + wrong, IBAN) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(f"IBAN:{NUMBER}", NUMBER, id="behind a colon"),
        pytest.param(f"iban={NUMBER};", NUMBER, id="in an assignment"),
        pytest.param(f"账号{NUMBER}，", NUMBER, id="between Han characters"),
        pytest.param(f"{GROUPED} BIC COBADEFF", GROUPED, id="before a word"),
        pytest.param(
            "ＤＥ８９３７０４００４４０５３２０１３０００",
            "ＤＥ８９３７０４００４４０５３２０１３０００",
            id="full width",
        ),
        pytest.param("DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000", None, id="other spaces"),
        pytest.param("DE89\u200b370400440532013000", None, id="an invisible character"),
    ],
)
def test_borders_and_disguises(text: str, found: str | None) -> None:
    assert seen(text, IBAN) == [("IBAN_CODE", found or text)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"X{NUMBER}", id="a letter before"),
        pytest.param(f"{NUMBER}7", id="a digit behind"),
        pytest.param("DE89  3704 0044 0532 0130 00", id="two separators"),
        pytest.param("DE89.3704.0044.0532.0130.00", id="dots"),
        pytest.param("QQ89370400440532013000", id="no such country"),
        pytest.param("DE8937040044053201300", id="too short"),
        pytest.param("DE12 words and more words here", id="words"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, IBAN) == []


def test_every_country_has_a_plausible_length() -> None:
    assert len(LENGTHS) >= 85
    assert all(code.isalpha() and code.isupper() and 15 <= length <= 34 for code, length in LENGTHS.items())
