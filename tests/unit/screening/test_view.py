"""What recognizers look at, and the end of a text that may go on."""

from __future__ import annotations

import pytest

from guard.screening.tail import Tail
from guard.screening.view import View


def test_chains_groups_and_their_lengths() -> None:
    view = View("a12b3 456-78/12345 x 1.2")
    assert view.chains == [(1, 3), (4, 18), (21, 24)]
    assert view.groups == ((4, 5), (6, 9), (10, 12), (13, 18)), "only chains of seven digits and more"
    assert list(view.of_length(2, 5)) == [(2, 10, 12), (3, 13, 18)]
    assert list(view.of_length(9)) == []


@pytest.mark.parametrize(
    ("text", "sequences"),
    [
        pytest.param("12 34-56/78", ["12", "1234", "123456", "12345678"], id="separators of any kind"),
        pytest.param("12) (345678", ["12", "12345678"], id="three separators"),
        pytest.param("1234567 -- 8", ["1234567"], id="four are too many"),
        pytest.param("1234567,8", ["1234567"], id="a comma is none"),
        pytest.param("12 3456789", ["12"], id="no more than eight digits"),
    ],
)
def test_sequences(text: str, sequences: list[str]) -> None:
    assert [digits for _, digits in View(text).sequences(0, digits=8)] == sequences


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("123-45-6789", 11),
        ("123-45 6789", None),
        ("123--45-6789", None),
        ("123-456-789", None),
        ("123-456789", None),
        ("123/45/6789", None),
    ],
)
def test_joined_groups_have_one_separator(text: str, end: int | None) -> None:
    assert View(text).joined(0, (3, 2, 4), "- ") == end


@pytest.mark.parametrize(
    ("text", "begins", "ends"),
    [
        ("12", True, True),
        ("中12中", True, True),
        ("a12a", False, False),
        ("_12_", False, False),
        ("+12-", False, True),
        ("9.12.9", False, False),
        ("x.12.x", True, True),
        ("9,12,9", True, True),
        ("é12é", True, True),
    ],
)
def test_borders_of_a_number(text: str, begins: bool, ends: bool) -> None:
    at = text.index("12")
    view = View(text)
    assert (view.number_begins(at), view.number_ends(at + 2)) == (begins, ends)


def test_lower_case_never_changes_the_length() -> None:
    assert View("İSTANBUL Pass").lower == "İstanbul pass"


@pytest.mark.parametrize(
    ("text", "run", "number"),
    [
        pytest.param("call me", 5, 7, id="a word is open"),
        pytest.param("call ", 5, 5, id="nothing after a space"),
        pytest.param("call 12 34", 8, 5, id="digits are open over spaces"),
        pytest.param("call 12 34 ", 11, 5, id="so are they after a space"),
        pytest.param("call (", 5, 5, id="an opening parenthesis"),
        pytest.param("call + ", 7, 5, id="a plus"),
        pytest.param("a - ", 4, 4, id="a dash alone is not"),
        pytest.param("中文abc", 2, 5, id="Han is a border"),
        pytest.param("a@b。", 0, 4, id="but its full stop may be a dot"),
    ],
)
def test_where_the_end_began(text: str, run: int, number: int) -> None:
    tail = Tail(text)
    assert (tail.run, tail.number) == (run, number)


def test_what_is_open_is_bounded() -> None:
    assert Tail("x" * 5_000).run == 5_000 - 320
    assert Tail("1 " * 5_000).number == 10_000 - 96
