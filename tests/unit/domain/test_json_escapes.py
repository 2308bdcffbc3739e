"""JSON inside strings: what escapes stand for, and the way back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.domain.json_escapes import decode, escape


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("plain", "plain", id="nothing escaped"),
        pytest.param(r"\"\\\/\b\f\n\r\t", '"\\/\b\f\n\r\t', id="short escapes"),
        pytest.param(r"ann\u0040acme.io", "ann@acme.io", id="an ASCII character"),
        pytest.param(r"\u00E9\u4e2D", "é中", id="digits in either case"),
        pytest.param(r"\ud83d\ude00", "\U0001f600", id="a pair"),
        pytest.param(r"\uD83D\uDE00", "\U0001f600", id="a pair in capitals"),
        pytest.param(r"\ud83d", r"\ud83d", id="the first half alone stays written"),
        pytest.param(r"\ude00", r"\ude00", id="so does the second"),
        pytest.param(r"m\udc00", r"m\udc00", id="also behind a letter"),
        pytest.param(r"\u006d\udc00", r"m\udc00", id="also behind an escape"),
        pytest.param(r"\ud83dx\ude00", r"\ud83dx\ude00", id="halves apart"),
        pytest.param(r"\x41\u12g4\u12", r"\x41\u12g4\u12", id="what is no escape stays"),
        pytest.param("\\", "\\", id="a backslash at the end"),
        pytest.param(r"\\u0041", r"\u0041", id="an escaped backslash"),
        pytest.param(r"\\\u0041", r"\A", id="and an escape behind it"),
    ],
)
def test_decode(source: str, text: str) -> None:
    assert decode(source).text == text


@given(st.lists(st.sampled_from(["a", "é", r"\n", r"\u0041", r"\ud83d\ude00", r"\ud83d", "\\\\", "中"])))
def test_spans_lead_back_to_what_was_written(pieces: list[str]) -> None:
    source = "".join(pieces)
    decoded = decode(source)
    at = written = 0
    for piece in pieces:
        shown = len(decode(piece).text)
        assert decoded.source(at, at + shown) == (written, written + len(piece))
        assert decoded.position(written) == at
        at, written = at + shown, written + len(piece)
    assert (at, written) == (len(decoded.text), len(source))


@given(st.text())
def test_what_is_escaped_is_decoded_again(text: str) -> None:
    assert decode(escape(text)).text == text
    assert json.loads(f'"{escape(text)}"') == text


@given(st.text())
def test_any_json_string_is_read_as_the_library_reads_it(text: str) -> None:
    for source in (json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]):
        assert decode(source).text == text
