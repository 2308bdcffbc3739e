"""Texts go back to their places; everything else stays as it was, and shared."""

from __future__ import annotations

import json

import pytest

from guard.errors import ProtectionFailed
from guard.upstream.edit import edited
from guard.upstream.json_text import JsonObject
from guard.upstream.positions import FREE, Places


def places_of(body: JsonObject) -> Places:
    """Return every place of a body of free JSON."""
    places = Places()
    FREE.walk(body, "", (), places, by_caller=True)
    return places


def rewrite(body: JsonObject, texts: dict[str, str]) -> JsonObject:
    """Replace texts by what they are."""
    places = places_of(body)
    changes = {part.index: texts[part.text] for part in places.parts if part.text in texts}
    return edited(body, places.parts, places.paths, changes)


def test_a_value_is_replaced_and_its_neighbours_are_shared() -> None:
    body: JsonObject = {"a": {"x": ["1", "2"]}, "b": {"y": "3"}, "c": "4"}
    before = json.dumps(body)
    changed = rewrite(body, {"2": "two"})
    assert changed == {"a": {"x": ["1", "two"]}, "b": {"y": "3"}, "c": "4"}
    assert changed["b"] is body["b"] and json.dumps(body) == before


def test_without_changes_every_member_is_shared() -> None:
    body: JsonObject = {"a": {"x": "1"}, "b": ["2"]}
    changed = rewrite(body, {})
    assert changed == body and changed is not body
    assert all(changed[name] is body[name] for name in body)


def test_a_number_that_is_replaced_becomes_a_string() -> None:
    assert rewrite({"n": [1234567, 12]}, {"1234567": "[CARD]"}) == {"n": ["[CARD]", 12]}


def test_keys_are_renamed_in_their_place_at_every_depth() -> None:
    body: JsonObject = {"a": 1, "k": {"b": 2, "k2": {"k": "v"}, "c": 3}, "d": 4}
    changed = rewrite(body, {"k": "K", "k2": "K2", "v": "V"})
    assert json.dumps(changed) == '{"a": 1, "K": {"b": 2, "K2": {"K": "V"}, "c": 3}, "d": 4}'
    assert json.dumps(body) == '{"a": 1, "k": {"b": 2, "k2": {"k": "v"}, "c": 3}, "d": 4}'


def test_two_keys_of_one_object_are_renamed() -> None:
    body: JsonObject = {"a": "1", "b": "2"}
    assert rewrite(body, {"a": "c", "b": "d"}) == {"c": "1", "d": "2"}


def test_two_keys_that_would_become_one_are_an_error_that_names_the_place() -> None:
    body: JsonObject = {"x": {"mail a": 1, "mail b": 2}}
    with pytest.raises(ProtectionFailed) as failed:
        rewrite(body, {"mail a": "[EMAIL]", "mail b": "[EMAIL]"})
    assert failed.value.position == "{0}{1}"
    with pytest.raises(ProtectionFailed):
        rewrite({"a": 1, "b": 2}, {"a": "b"})


def test_a_key_that_stays_what_it_was_is_no_collision() -> None:
    assert rewrite({"a": "1", "b": "2"}, {"a": "a"}) == {"a": "1", "b": "2"}
