"""Where in a tag a text stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.protection.markup import VALUE_LIMIT, Markup


def after(text: str) -> Markup:
    """Return the state after a text."""
    markup = Markup()
    markup.feed(text)
    return markup


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", None),
        ("a < b", None),
        ("<b", None),
        ("<b>", None),
        ("<a href", None),
        ("<a href=", ""),
        ("<a href= ", ""),
        ("<a href=x", "x"),
        ("<a href=x ", None),
        ("<a href=x>", None),
        ('<a href="', ""),
        ('<a href="x>y', "x>y"),
        ('<a href="x\ny', "x\ny"),
        ('<a href="x"', None),
        ("<a href='x\"y", 'x"y'),
        ('<a\nhref\n=\n"x', "x"),
        ('<a b=1 c="2" d=3', "3"),
        ("<a/href=x", "x"),
        ("<svg><a xlink:href='x", "x"),
        ("</a href=x", "x"),
        ("<<a href=x", "x"),
        ("<1 href=x", None),
        ("<a href=x/>", None),
        ("</", None),
    ],
)
def test_values(text: str, value: str | None) -> None:
    assert after(text).value == value
    markup = Markup()
    for character in text:
        markup.feed(character)
    assert markup.value == value


@pytest.mark.parametrize(
    ("attribute", "loads"),
    [
        *(
            (name, True)
            for name in ("href", "src", "SRCSET", "xlink:href", "data-src", "style", "onerror", "action")
        ),
        *(
            (name, True)
            for name in ("poster", "ping", "formaction", "background", "content", "srcdoc", "data")
        ),
        *((name, False) for name in ("alt", "title", "value", "email", "class", "id", "placeholder", "lang")),
    ],
)
def test_attributes_that_load(attribute: str, loads: bool) -> None:
    assert after(f"<x {attribute}=").loads == loads


def test_a_value_that_is_too_long_is_said_to_be() -> None:
    assert not after('<a href="' + "x" * VALUE_LIMIT).overflow
    assert after('<a href="' + "x" * (VALUE_LIMIT + 1)).overflow
    assert not after('<a href="' + "x" * (VALUE_LIMIT + 1) + '" b="').overflow


tags = st.lists(
    st.sampled_from(["<", "a", " ", "=", '"', "'", ">", "/", "\n", "b=", "<a "]), max_size=20
).map("".join)


@given(tags, st.integers(0, 20))
def test_it_does_not_matter_how_it_is_cut(text: str, at: int) -> None:
    markup = Markup()
    markup.feed(text[:at])
    markup.feed(text[at:])
    assert (markup.value, markup.loads, markup.overflow) == (
        after(text).value,
        after(text).loads,
        after(text).overflow,
    )
