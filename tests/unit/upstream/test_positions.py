"""Position rules: what is noted, where, and what is refused."""

from __future__ import annotations

import pytest

from guard.domain.exchange import Encoding, PartKind
from guard.errors import InvalidRequest
from guard.upstream.json_text import Json
from guard.upstream.positions import (
    FREE,
    AnyNumber,
    Choice,
    Each,
    Flag,
    Foreign,
    Id,
    JsonSource,
    Members,
    Number,
    Places,
    Refused,
    Rule,
    Words,
)


def noted(rule: Rule, value: Json, *, by_caller: bool = True) -> list[tuple[str, str]]:
    """Return (position, text) of everything that a rule notes."""
    places = Places()
    rule.walk(value, "x", ("x",), places, by_caller=by_caller)
    return [(part.position, part.text) for part in places.parts]


def refusal(rule: Rule, value: Json) -> InvalidRequest:
    """Return the error for a value that does not fit."""
    with pytest.raises(InvalidRequest) as refused:
        noted(rule, value)
    return refused.value


def test_free_json_notes_every_string_key_and_long_number() -> None:
    value: Json = {"a": ["s", "", {"b": 123456}], "c": [12345, -1.5, 0.12345, True, None], "": "t"}
    assert noted(FREE, value) == [
        ("x{0}", "a"),
        ("x{0}[0]", "s"),
        ("x{0}[2]{0}", "b"),
        ("x{0}[2]{0}", "123456"),
        ("x{1}", "c"),
        ("x{1}[2]", "0.12345"),
        ("x{2}", "t"),
    ]


def test_positions_show_no_key_that_the_caller_made() -> None:
    value: Json = {"known": "a", "maria@x.example": {"secret key": "b"}}
    positions = [position for position, _ in noted(Members({"known": FREE}), value)]
    assert positions == ["x.known", "x{1}", "x{1}{0}", "x{1}{0}"]


def test_encodings_and_kinds_are_those_of_the_place() -> None:
    places = Places()
    rule = Members({"id": Id(), "source": JsonSource()})
    rule.walk({"id": "call_1", "source": '{"a":1}', "k": 1234567}, "", (), places, by_caller=False)
    assert [(part.kind, part.encoding) for part in places.parts] == [
        (PartKind.STRUCTURAL, Encoding.TEXT),
        (PartKind.SCREENED, Encoding.JSON),
        (PartKind.SCREENED, Encoding.KEY),
        (PartKind.SCREENED, Encoding.NUMBER),
    ]
    assert [part.index for part in places.parts] == [0, 1, 2, 3]
    assert places.paths == [("id",), ("source",), ("k",), ("k",)]


@pytest.mark.parametrize("value", ["", "a b", "é", "x" * 257, 7, ["a"], {"a": 1}, "a\n", True])
def test_what_is_no_bounded_id_is_refused(value: Json) -> None:
    assert refusal(Id(), value).position == "x"


@pytest.mark.parametrize("value", ["call_1", "a@b.example", "gpt-5:mini/2.0", "x" * 256])
def test_an_id_is_noted_so_that_it_can_be_scanned(value: str) -> None:
    assert noted(Id(), value) == [("x", value)]


@pytest.mark.parametrize("value", [-1, 17, 1.5e9, True, "1", [1], {"a": 1}])
def test_a_number_out_of_range_or_of_another_type_is_refused(value: Json) -> None:
    assert "from 0 to 16" in refusal(Number(0, 16), value).message


@pytest.mark.parametrize("value", [0, 16, 0.5, None])
def test_a_number_in_range_is_structural(value: Json) -> None:
    assert noted(Number(0, 16), value) == []


def test_a_counted_number_passes_and_anything_else_is_screened() -> None:
    assert noted(AnyNumber(), 1_700_000_000) == []
    assert noted(AnyNumber(), "1700000000") == [("x", "1700000000")]


@pytest.mark.parametrize("value", [1, 0, "true", [], {}])
def test_a_flag_is_true_false_or_null(value: Json) -> None:
    assert refusal(Flag(), value).message == "x must be true or false"
    assert noted(Flag(), True) == noted(Flag(), False) == noted(Flag(), None) == []


def test_an_unknown_word_is_screened_like_any_text() -> None:
    rule = Words(frozenset({"user"}))
    assert noted(rule, "user") == []
    assert noted(rule, "maria@x.example") == [("x", "maria@x.example")]
    assert noted(rule, ["user"]) == [("x[0]", "user")]


@pytest.mark.parametrize("value", [True, 1, "x", [0], {"a": 0}])
def test_a_refused_place_may_only_say_nothing(value: Json) -> None:
    rule = Refused("not today", "some_code")
    assert refusal(rule, value).code == "some_code"
    nothing: tuple[Json, ...] = (None, False, 0, "", [], {})
    for empty in nothing:
        assert noted(rule, empty) == []


def test_a_place_of_another_shape_is_free_json() -> None:
    assert noted(Each(Id()), {"a": "b c"}) == [("x{0}", "a"), ("x{0}", "b c")]
    assert noted(Members({"a": Id()}), ["b c"]) == [("x[0]", "b c")]
    assert noted(Choice({"text": Id()}), {"type": "other", "id": "b c"})[-1] == ("x{1}", "b c")
    assert noted(Choice({"text": Id()}), {"type": ["text"], "id": "b c"})[-1] == ("x{1}", "b c")
    assert noted(JsonSource(), {"a": "b c"}) == [("x{0}", "a"), ("x{0}", "b c")]


def owners(rule: Rule, value: Json, *, by_caller: bool = True) -> list[bool]:
    """Return whether each text counts as the caller's own words."""
    places = Places()
    rule.walk(value, "x", (), places, by_caller=by_caller)
    return [part.by_caller for part in places.parts]


def test_whose_words_a_message_holds_is_decided_by_its_role() -> None:
    rule = Members({"role": Words(frozenset({"user", "tool"})), "content": FREE}, callers=frozenset({"user"}))
    assert owners(rule, {"role": "user", "content": "t"}) == [True]
    assert owners(rule, {"content": "t", "role": "tool"}) == [False]
    assert owners(rule, {"content": "t"}) == [False]
    assert owners(rule, {"role": ["user"], "content": "t"})[-1] is False


def test_foreign_words_are_nobodys_own() -> None:
    assert owners(Foreign(Each(FREE)), ["a", {"b": "c"}]) == [False, False, False]
