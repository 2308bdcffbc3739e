"""YAML whose values know where they stand: what is refused, and how values are read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from guard.domain.canonical import digest
from guard.domain.positioned import Node, load, plain, suggestion
from guard.errors import ConfigurationError


def read(text: str) -> Node:
    """Read a document."""
    return load(text.encode(), file="f.yaml")


def wrong(data: bytes | str) -> str:
    """Return why a document is refused."""
    with pytest.raises(ConfigurationError) as refused:
        load(data if isinstance(data, bytes) else data.encode(), file="f.yaml")
    return refused.value.message


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "f.yaml: empty"),
    "a comment alone": (b"# hi\n", "f.yaml: empty"),
    "no YAML": (b"a: [1", "f.yaml:2:1: not YAML: did not find expected ',' or ']'"),
    "no UTF-8": (b"a: \xff", "f.yaml: not YAML in UTF-8"),
    "a name twice": (b"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' stands here twice"),
    "a name twice in depth": (b"x:\n  a: 1\n  a: 1\n", "f.yaml:3:3: 'a' stands here twice"),
    "a name that is a list": (b"? [a]\n: 1\n", "f.yaml:1:3: expected a name"),
    "an anchor": (b"a: &x 1\n", "f.yaml:1:4: aliases and anchors are not used here"),
    "an alias": (b"a: 1\nb: *x\n", "f.yaml:2:4: aliases and anchors are not used here"),
    "a laugh": (b"a: &a [x]\nb: &b [*a, *a]\n", "f.yaml:1:4: aliases and anchors are not used here"),
    "a tag on a text": (b"a: !!str 1\n", "f.yaml:1:4: tags are not used here"),
    "a tag on an object": (b"a: !!python/object:os.system {}\n", "f.yaml:1:4: tags are not used here"),
    "a tag on a list": (b"!x [1]\n", "f.yaml:1:1: tags are not used here"),
    "two documents": (b"a: 1\n---\nb: 2\n", "f.yaml:2:1: not YAML: but found another document"),
    "thirty-three levels": (b"[" * 34 + b"]" * 34, "f.yaml:1:34: nested too deeply"),
    "hexadecimal": (b"a: 0x1F\n", "f.yaml:1:4: expected a plain number"),
    "eight or ten": (b"a: 010\n", "f.yaml:1:4: expected a plain number"),
    "minutes": (b"a: 1:30\n", "f.yaml:1:4: expected a plain number"),
    "infinity": (b"a: .inf\n", "f.yaml:1:4: expected a plain number"),
    "no number": (b"a: .nan\n", "f.yaml:1:4: expected a plain number"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_has_two_readings_is_refused_at_its_place(what: str) -> None:
    data, message = REFUSED[what]
    assert wrong(data) == message


@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_depth_without_end_is_an_error_and_no_crash(depth: int) -> None:
    for opening in (b"[", b"{a: "):
        assert wrong(opening * depth).startswith("f.yaml")


def test_a_document_that_is_too_large_is_not_read() -> None:
    assert wrong(b"a: " + b"x" * (2 * 2**20)) == "f.yaml: larger than 2097152 bytes"


def test_values_know_line_and_column_from_one() -> None:
    top = read("a:\n  - one\n  - {b: two}\n").mapping()
    first, second = top.need("a").items()
    assert (str(first.place), str(second.mapping().need("b").place)) == ("f.yaml:2:5", "f.yaml:3:9")


def test_scalars_are_what_they_look_like() -> None:
    document = read("s: a\nq: '1'\ni: -12\nf: 1.50\nt: yes\nn: ~\nd: 2026-01-31\ne: 1e5\n")
    members = document.mapping().members
    values = {name: node.value for name, node in members.items()}
    assert values == {
        "s": "a",
        "q": "1",
        "i": -12,
        "f": 1.5,
        "t": True,
        "n": None,
        "d": "2026-01-31",
        "e": "1e5",
    }


READERS: dict[str, tuple[Callable[[Node], object], str, str]] = {
    "a text": (Node.text, "a: 5", "f.yaml:1:4: expected a text"),
    "a mapping": (Node.mapping, "a: 5", "f.yaml:1:4: expected a mapping (name: value)"),
    "a list": (Node.items, "a: {b: 1}", "f.yaml:1:4: expected a list"),
    "texts": (Node.texts, "a: [x, 5]", "f.yaml:1:8: expected a text"),
    "a number": (lambda node: node.number(0, 1), "a: x", "f.yaml:1:4: expected a number"),
    "a number that is true": (lambda node: node.number(0, 1), "a: true", "f.yaml:1:4: expected a number"),
    "a number in range": (
        lambda node: node.number(0, 1.5),
        "a: 1.51",
        "f.yaml:1:4: expected a number from 0 to 1.5",
    ),
    "a whole number": (lambda node: node.integer(0, 9), "a: 1.0", "f.yaml:1:4: expected a whole number"),
    "a word": (
        lambda node: node.word(["red", "green"]),
        "a: gren",
        "f.yaml:1:4: 'gren' is not known; did you mean 'green'?",
    ),
}


@pytest.mark.parametrize("what", READERS)
def test_a_value_of_another_kind_is_an_error_at_its_place(what: str) -> None:
    reader, text, message = READERS[what]
    with pytest.raises(ConfigurationError) as refused:
        reader(read(text).mapping().need("a"))
    assert refused.value.message == message


def test_values_of_the_right_kind_are_read() -> None:
    top = read("n: 0.5\ni: 3\nw: green\none: x\nmany: [x, y]\n").mapping()
    assert top.need("n").number(0, 1) == 0.5
    assert top.need("i").integer(0, 3) == 3
    assert top.need("w").word(["red", "green"]) == "green"
    assert (top.need("one").texts(), top.need("many").texts()) == (("x",), ("x", "y"))


def test_what_nobody_asked_for_is_refused_where_its_name_stands() -> None:
    top = read("known: 1\nunknwon:\n  deep: 1\n").mapping()
    assert top.need("known").integer(0, 1) == 1
    assert top.get("unknown") is None
    with pytest.raises(ConfigurationError) as refused:
        top.finish()
    assert refused.value.message == "f.yaml:2:1: 'unknwon' is not known; did you mean 'unknown'?"


def test_a_member_that_is_null_is_absent() -> None:
    top = read("a: ~\n").mapping()
    assert top.get("a") is None
    with pytest.raises(ConfigurationError) as refused:
        top.need("a")
    assert refused.value.message == "f.yaml:1:1: 'a' is missing"


def test_a_suggestion_is_the_closest_or_all() -> None:
    assert suggestion("blok", ["block", "keep"]) == "did you mean 'block'?"
    assert suggestion("zzz", ["keep", "block"]) == "known are block, keep"


def test_the_plain_content_has_no_places_and_no_floats() -> None:
    content = {"a": [1, "x", None, True], "b": {"fraction": "0.5"}}
    assert plain(read("a: [1, x, ~, true]\nb: 0.5\n")) == content
    assert plain(read("# moved\nb:   0.50\na:\n - 1\n - 'x'\n - null\n - yes\n")) == content


@pytest.mark.parametrize(
    ("one", "other"), [("0.5", "0.5000001"), ("1", "1.0"), ("true", "'true'"), ("1", "'1'")]
)
def test_contents_that_differ_have_other_digests(one: str, other: str) -> None:
    assert digest(plain(read(f"a: {one}"))) != digest(plain(read(f"a: {other}")))
