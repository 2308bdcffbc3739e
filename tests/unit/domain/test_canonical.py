"""Canonical JSON: RFC 8785's own examples, what has no canonical form, and the twin that ships."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.audit import verify
from guard.domain.canonical import Json, canonical, digest

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=30,
)


class Colour(StrEnum):
    RED = "red"


class Number(IntEnum):
    SEVEN = 7


# RFC 8785 §3.2.2.2 (the string of its sample object) and §3.2.3 (its sorting test).
STRING = '€$\u000f\nA\'B"\\\\"/'
SORTING = {
    "€": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "😀": "Emoji: Grinning Face",
    "\u0080": "Control",
    "ö": "Latin Small Letter O With Diaeresis",
}
SORTED = [
    "Carriage Return",
    "One",
    "Control",
    "Latin Small Letter O With Diaeresis",
    "Euro Sign",
    "Emoji: Grinning Face",
    "Hebrew Letter Dalet With Dagesh",
]


def test_the_string_of_rfc_8785_is_escaped_as_it_says() -> None:
    assert canonical(STRING) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()


def test_keys_are_sorted_by_utf_16_as_rfc_8785_shows() -> None:
    assert list(json.loads(canonical(SORTING)).values()) == SORTED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b"null"),
        (True, b"true"),
        (False, b"false"),
        (0, b"0"),
        (-1, b"-1"),
        (2**53 - 1, b"9007199254740991"),
        (Number.SEVEN, b"7"),
        (Colour.RED, b'"red"'),
        ([], b"[]"),
        ((1, "a"), b'[1,"a"]'),
        ({}, b"{}"),
        (MappingProxyType({"b": 1, "a": [True]}), b'{"a":[true],"b":1}'),
        ({Colour.RED: 1}, b'{"red":1}'),
        ("\x00\x1f\x7f\b\t\n\f\r", b'"\\u0000\\u001f\x7f\\b\\t\\n\\f\\r"'),
    ],
)
def test_every_json_value_has_one_form(value: Json, expected: bytes) -> None:
    assert canonical(value) == expected


def nested(levels: int) -> Json:
    """Return lists inside lists."""
    value: Json = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (1.0, TypeError),
        (float("nan"), TypeError),
        (b"bytes", TypeError),
        ({1, 2}, TypeError),
        ({1: "a"}, TypeError),
        ({None: "a"}, TypeError),
        ([0.5], TypeError),
        (2**53, ValueError),
        (-(2**53), ValueError),
        ("\ud800", ValueError),
        ({"\udfff": 1}, ValueError),
        (nested(18), ValueError),
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value: Json, error: type[Exception]) -> None:
    with pytest.raises(error):
        canonical(value)


def test_the_deepest_value_is_one_that_the_verifier_takes_too() -> None:
    deepest = nested(17)
    assert verify.encode(deepest) == canonical(deepest)
    with pytest.raises(verify.VerificationFailed):
        verify.encode(nested(18))


@given(VALUES)
def test_the_two_encoders_agree(value: Json) -> None:
    assert canonical(value) == verify.encode(value)


@given(VALUES)
def test_canonical_bytes_are_read_back_and_no_others_are(value: Json) -> None:
    data = canonical(value)
    assert verify.decode(data, "here") == value
    with pytest.raises(verify.VerificationFailed):
        verify.decode(data + b" ", "here")


@given(st.dictionaries(TEXTS, SCALARS, min_size=1))
def test_the_order_in_which_keys_came_does_not_show(value: Mapping[str, Json]) -> None:
    assert canonical(dict(reversed(list(value.items())))) == canonical(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a": 1}',
        b"[1,]",
        b"1.0",
        b"1e2",
        b"-0",
        b"NaN",
        b"Infinity",
        b"9007199254740992",
        b"1" * 5000,
        b'"\\u0041"',
        b'"\\/"',
        b'"\\ud83d\\ude00"',
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf1",
        b"",
        b"[" * 100_000,
    ],
    ids=lambda data: repr(data[:20]),
)
def test_the_verifier_refuses_every_other_spelling(data: bytes) -> None:
    with pytest.raises(verify.VerificationFailed):
        verify.decode(data, "here")


def test_a_digest_names_its_algorithm() -> None:
    assert digest({"b": 1, "a": None}) == "sha256:" + hashlib.sha256(b'{"a":null,"b":1}').hexdigest()
