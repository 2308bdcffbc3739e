"""Strict JSON: one reading of the caller's bytes, or none."""

from __future__ import annotations

import json

import pytest

from guard.errors import InvalidRequest
from guard.upstream.json_text import BodyLimits, parse, render

LIMITS = BodyLimits(bytes=100_000, depth=8, strings=20, values=50)


def test_duplicate_keys_the_last_counts_in_the_place_of_the_first() -> None:
    value = parse(b'{"a":1,"b":2,"a":{"c":3,"c":4}}', LIMITS)
    assert render(value) == b'{"a":{"c":4},"b":2}'


@pytest.mark.parametrize("number", ["-9223372036854775808", "18446744073709551615", "0", "-1"])
def test_integers_of_64_bits_travel_unchanged(number: str) -> None:
    body = f'{{"n":{number}}}'.encode()
    assert render(parse(body, LIMITS)) == body


@pytest.mark.parametrize(
    "number", ["-9223372036854775809", "18446744073709551616", "123456789012345678901234", "-" + "9" * 400]
)
def test_integers_beyond_64_bits_are_refused_and_not_changed(number: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(f'{{"n":[{{"m":{number}}}]}}'.encode(), LIMITS)
    assert refused.value.code == "number_too_large"
    assert number not in refused.value.message


NOT_JSON = {
    "nothing": b"",
    "a truncated object": b'{"a":1',
    "two objects": b'{"a":1}{"a":2}',
    "a trailing comma": b'{"a":1,}',
    "a comment": b'{"a":1}//',
    "single quotes": b"{'a':1}",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "a number beyond every float": b'{"a":1e999}',
    "a leading zero": b'{"a":01}',
    "a plus sign": b'{"a":+1}',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "a lone high surrogate": b'{"a":"\\ud800"}',
    "a lone low surrogate": b'{"a":"\\udc00x"}',
    "a lone surrogate in a key": b'{"\\ud800":1}',
    "two high surrogates": b'{"a":"\\ud800\\ud800"}',
    "an overlong form": b'{"a":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "a cut character": b'{"a":"\xe4\xb8"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a raw control character": b'{"a":"\x01"}',
    "a list": b"[]",
    "a string": b'"a"',
    "null": b"null",
}


@pytest.mark.parametrize("what", NOT_JSON)
def test_what_is_no_json_object_in_utf8_is_refused_without_quoting_it(what: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse(NOT_JSON[what], LIMITS)
    assert refused.value.code == "invalid_json"
    assert refused.value.message in {
        "the body is not valid JSON in UTF-8",
        "the body begins with a byte order mark",
        "the body must be a JSON object",
    }


def test_a_surrogate_pair_is_one_character() -> None:
    assert parse(b'{"a":"\\ud83d\\ude42"}', LIMITS) == {"a": "🙂"}


def nested(depth: int) -> bytes:
    """Return an object whose innermost value stands at ``depth``."""
    return b'{"a":' * (depth - 1) + b"1" + b"}" * (depth - 1)


def test_depth_is_counted_to_the_innermost_value() -> None:
    assert parse(nested(8), LIMITS)
    for depth in (9, 10_000, 200_000):
        with pytest.raises(InvalidRequest) as refused:
            parse(nested(depth), BodyLimits(bytes=10**7, depth=8))
        assert refused.value.code == "too_deep"


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (["s"] * 19, True),
        (["s"] * 20, False),
        ({str(number): None for number in range(19)}, True),
        ({str(number): None for number in range(20)}, False),
        ([123456] * 19, True),
        ([123456] * 20, False),
        ([-123456] * 20, False),
        ([0.5] * 20, False),
        ([12345] * 40, True),
        ([True] * 40, True),
    ],
)
def test_strings_keys_and_long_numbers_count_alike(value: object, allowed: bool) -> None:
    body = json.dumps({"a": value}).encode()
    if allowed:
        assert parse(body, LIMITS) == {"a": value}
        return
    with pytest.raises(InvalidRequest) as refused:
        parse(body, LIMITS)
    assert refused.value.code == "too_many_strings"


def test_the_number_of_values_is_bounded() -> None:
    assert parse(json.dumps({"a": [1] * 48}).encode(), LIMITS)
    with pytest.raises(InvalidRequest) as refused:
        parse(json.dumps({"a": [[]] * 49}).encode(), LIMITS)
    assert refused.value.code == "too_many_values"


def test_the_size_is_bounded_to_the_byte() -> None:
    body = b'{"a":"' + b"x" * 92 + b'"}'
    assert parse(body, BodyLimits(bytes=100))
    with pytest.raises(InvalidRequest) as refused:
        parse(body + b" ", BodyLimits(bytes=100))
    assert refused.value.code == "body_too_large"


def test_keys_keep_their_order_and_text_its_characters() -> None:
    body = '{"z":"é\\u0000\\n/","a":[1.5,-0.25,true,null],"m":{}}'.encode()
    assert render(parse(body, LIMITS)) == body
