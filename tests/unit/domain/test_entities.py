"""The catalogue of types and the grammar of surrogates."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.entities import CATALOGUE, TOKEN, TOKEN_LENGTH, Evidence, Group, tokens_in
from guard.screening.engine import RECOGNIZERS
from guard.screening.overlap import RANK


def test_mnemonics_are_three_capitals_and_unique() -> None:
    mnemonics = [row.mnemonic for row in CATALOGUE.values()]
    assert len(set(mnemonics)) == len(mnemonics)
    assert all(re.fullmatch("[A-Z]{3}", one) for one in mnemonics)


@pytest.mark.parametrize("name", CATALOGUE)
def test_each_row_is_whole(name: str) -> None:
    row = CATALOGUE[name]
    assert row.name == name
    assert re.fullmatch("[A-Z][A-Z_]*[A-Z]", name)
    assert 0 < row.threshold < 1
    assert row.shape.count("{token}") == 1
    assert TOKEN.search(row.shape.replace("{token}", f"{row.mnemonic}X0123456789AB"))


def test_what_belongs_to_nobody_does_not_spread() -> None:
    for row in CATALOGUE.values():
        assert row.propagates == (row.group is not Group.PLACEHOLDER)


def test_checksums_are_what_they_say() -> None:
    summed = {row.name for row in CATALOGUE.values() if row.evidence is Evidence.CHECKSUM}
    assert summed == {"CREDIT_CARD", "CREDIT_CARD_TEST", "IBAN_CODE", "CN_RESIDENT_ID"}


def test_every_type_has_a_rank_where_findings_overlap() -> None:
    assert RANK.keys() == CATALOGUE.keys()


def test_recognizers_have_names_of_their_own() -> None:
    names = [recognizer.name for recognizer in RECOGNIZERS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "text",
    [
        "EMLX0123456789AB",
        "emlx0123456789ab",
        "EmLx0123456789aB",
        "(EMLX0123456789AB)",
        "_EMLX0123456789AB_",
        "中EMLX0123456789AB中",
        "éEMLX0123456789ABé",
        "EMLX0123456789AB@guard.invalid",
    ],
)
def test_surrogates(text: str) -> None:
    (found,) = TOKEN.finditer(text)
    assert found.group().upper() == "EMLX0123456789AB"
    assert len(found.group()) == TOKEN_LENGTH


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("EMLX0123456789A", id="too short"),
        pytest.param("EMLX0123456789ABC", id="too long"),
        pytest.param("AEMLX0123456789AB", id="glued"),
        pytest.param("EMLY0123456789AB", id="no X"),
        pytest.param("EMLX0123456789AI", id="I is no digit of Crockford's"),
        pytest.param("EMLX0123456789AL", id="nor is L"),
        pytest.param("EMLX0123456789AO", id="nor O"),
        pytest.param("EMLX0123456789AU", id="nor U"),
        pytest.param("EM1X0123456789AB", id="a digit in the mnemonic"),
        pytest.param("EMLX012345678\u017fAB", id="a long s is no S"),
        pytest.param("EMLX012345678\u212aAB", id="the sign of Kelvin is no K"),
    ],
)
def test_what_is_no_surrogate(text: str) -> None:
    assert TOKEN.search(text) is None


pieces = st.sampled_from(
    ["EMLX0123456789AB", "phnx0123456789ab", "X", "x", "a", " ", "-", "EMLX", "0123456789AB", "é"]
)


@given(st.lists(pieces).map("".join), st.booleans())
def test_the_quick_way_finds_the_same(text: str, rare: bool) -> None:
    text += " lorem ipsum" * 20 if rare else ""
    assert [one.span() for one in tokens_in(text)] == [one.span() for one in TOKEN.finditer(text)]
