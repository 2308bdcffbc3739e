"""Nothing here takes more than linear time, whatever the text.

The patterns keep to a subset (``patterns.py``). Looks of a few characters to either side
are allowed: a constant amount of work at each place. RE2 has none, so an accelerator would
take their pattern without them and check afterwards. What the subset lets pass is read by
a slow twin that counts steps, on texts that pump a pattern's own characters; and the whole
screener and restorer are run on hostile texts, counting calls. No clock is looked at.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType, ModuleType

import pytest

import guard.protection
import guard.screening
from guard.domain import entities, json_escapes
from guard.domain.entities import Group
from guard.domain.principal import Tools
from guard.protection.plan import Original
from guard.protection.restore import RestoreContext, Restorer
from guard.screening.engine import ANNOUNCING, compile_screener
from guard.screening.incremental import Incremental
from tests.unit.screening.backtracking import steps
from tests.unit.screening.patterns import One, Refused, Tree, flat, refuse, tree_of


def modules() -> Iterator[ModuleType]:
    """Yield every module of both packages, and the two of the domain that hold patterns."""
    yield from (entities, json_escapes)
    for package in (guard.screening, guard.protection):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            yield importlib.import_module(found.name)


def held(value: object) -> Iterator[re.Pattern[str]]:
    """Yield the patterns in a module's constant."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for member in value:
            yield from held(member)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        for name in value.__dataclass_fields__:
            yield from held(getattr(value, name))


PATTERNS = {
    f"{module.__name__}.{name}" + (f"[{number}]" if number else ""): pattern
    for module in modules()
    for name, value in vars(module).items()
    for number, pattern in enumerate(held(value))
}
INLINE = ("match", "fullmatch", "search", "split", "sub", "subn", "findall", "finditer")


def test_every_pattern_is_a_constant_or_a_plain_set() -> None:
    """So that none escapes the tests below. Numbering plans come from a library: see there."""
    compiled: dict[str, int] = {}
    for module in modules():
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        inside = {
            id(call)
            for part in ast.walk(tree)
            if isinstance(part, ast.FunctionDef)
            for call in ast.walk(part)
        }
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
                continue
            if not (isinstance(call.func.value, ast.Name) and call.func.value.id == "re"):
                continue
            if call.func.attr == "compile" and id(call) in inside:
                compiled[module.__name__] = compiled.get(module.__name__, 0) + 1
            if call.func.attr in INLINE:
                written = ast.literal_eval(call.args[0])
                assert [type(node) for node in tree_of(re.compile(written))] == [One], written
    assert compiled == {"guard.screening.numbering": 1}


def test_there_are_patterns() -> None:
    assert len(PATTERNS) > 60


ANCHORED = {
    "guard.screening.recognizers.jwt.TOKEN": "matched where an anchor stands behind a border",
}
"""Patterns that are never looked for, only matched at a place that something else found."""


@pytest.mark.parametrize("name", sorted(PATTERNS.keys() - ANCHORED))
def test_patterns_keep_to_the_subset_and_a_twin_needs_twice_the_steps_for_twice_the_text(name: str) -> None:
    check(PATTERNS[name])


@pytest.mark.parametrize("name", sorted(ANCHORED))
def test_anchored_patterns_keep_to_the_subset(name: str) -> None:
    refuse(tree_of(PATTERNS[name]))


def check(pattern: re.Pattern[str]) -> None:
    """Refuse a pattern outside of the subset, or one that is slow on a text that it does not like."""
    tree = tree_of(pattern)
    refuse(tree)
    for pump in pumps(tree):
        short, long = (steps(tree, (pump * size)[:size] + "\x00") for size in (60, 120))
        assert long <= 2.2 * short + 200, pump


def pumps(tree: Tree) -> list[str]:
    """Return what to repeat: characters that the pattern knows, one from each kind, and pairs."""
    kinds = {node.sample() for node in flat(tree) if isinstance(node, One)} - {frozenset()}
    ones = sorted({min(kind, key=lambda one: (not one.isalnum(), one)) for kind in kinds})[:8]
    return [*ones, *(one + other for one in ones[:5] for other in ones[:5] if one != other), "".join(ones)]


@pytest.mark.parametrize(
    "written",
    [
        *(r"(a)\1", r"(?:a+)+b", r"(?:a|a)+b|(a)(?(1)b|c)", r"a*b*c" "|a*ab", r"(?=a+)b", r"a*?b", r"(?>a)"),
        *(r"[a-z]+[a-z0-9]+!", r"(?:[a-z]+-?)*x", r"\s*=\s*$"),
    ],
)
def test_what_is_slow_elsewhere_would_be_noticed(written: str) -> None:
    with pytest.raises((Refused, AssertionError)):
        check(re.compile(written))


HOSTILE = [
    *("1.", "a.", "4242 ", "4111 1111 1111 1111 ", "0 ", "00 ", "+1 ", "415-555-2671 ", "phone 12345678 "),
    *(
        "a@",
        "@a.",
        "a@b.c",
        "ann@acme.io",
        "a@a.a.a.a.a.a.a.a.",
        "eyJ",
        "eyJaaaaaaaa.",
        "_eyJhbGciOiJIUzI1NiJ9.a",
    ),
    *(
        "token=",
        "token=1a",
        'token,"a1',
        'password:"x1',
        "secret ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
    ),
    *(
        "LS0tLS1CRUdJTi",
        "://a:b@",
        "ab:cd:",
        "::",
        "DE89 ",
        "AKIA",
        "sk-a1",
        "\\n",
        "。",
        "１",
        "\u200b1",
        "\u200b",
    ),
    *("EMLX0123456789AB ", "110101 19900307 ", "123-45-", "password=a" + "_" * 200 + "!1 ", "is ", "x"),
]


def calls(work: Callable[[], object]) -> int:
    """Count the calls of functions, in Python and in C, that some work makes."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


SCREENER = compile_screener()
MOST_A_CHARACTER = 50


def announces(unit: str) -> bool:
    """Whether a text of these is held or looked at ahead further than usual, up to 8,192."""
    return any(mark in unit for mark in (*ANNOUNCING, "token", "password"))


@pytest.mark.parametrize("unit", HOSTILE, ids=ascii)
def test_screening_twice_the_text_makes_twice_the_calls(unit: str) -> None:
    size = 40_000 if announces(unit) else 9_000
    short, long = (unit * (times * size // len(unit) + 1) for times in (1, 2))
    SCREENER.screen(short)
    few, many = (calls(partial(SCREENER.screen, text)) for text in (short, long))
    assert many <= 2.3 * few + 2_000
    assert many <= MOST_A_CHARACTER * len(long)


@pytest.mark.parametrize("unit", HOSTILE, ids=ascii)
def test_screening_twice_the_pieces_makes_twice_the_calls(unit: str) -> None:
    def feed(size: int, piece: int) -> None:
        incremental = Incremental(SCREENER)
        text = unit * (size // len(unit) + 1)
        for at in range(0, len(text), piece):
            incremental.feed(text[at : at + piece])
        incremental.close()

    size, piece = (30_000, 2_000) if announces(unit) else (5_000, 250)
    feed(1_000, piece)
    few, many = (calls(partial(feed, times * size, piece)) for times in (1, 2))
    assert many <= 2.5 * few + 2_000


TOKEN = "EMLX0123456789AB"
CONTEXT = RestoreContext(
    vault={TOKEN: Original(value="ann@acme.io", entity_type="EMAIL_ADDRESS", group=Group.CONTACT)},
    hosts=frozenset({"ok.example"}),
    tools=Tools(),
)
ANSWERS = [
    *(f"{TOKEN}/", f"{TOKEN} ", "(https://evil.test (x ", "//", "a.", f'<a b="{TOKEN}', "<a b=c ", "&amp;"),
    *(
        f"&amp;{TOKEN}",
        f"%41{TOKEN}/",
        f"](https://ok.example/{TOKEN})",
        "www.",
        "x// ",
        "](",
        "\\\\",
        f"{TOKEN}@",
    ),
    *(f'"https://evil.test/{TOKEN}"', "<", "<a ", "<!--", TOKEN, "mailto:", "url("),
]


@pytest.mark.parametrize("unit", ANSWERS, ids=ascii)
def test_restoring_twice_the_text_makes_twice_the_calls(unit: str) -> None:
    def feed(size: int, cut: int) -> None:
        restorer = Restorer(CONTEXT, sink="prose")
        text = unit * (size // len(unit) + 1)
        for at in range(0, len(text), cut):
            restorer.feed(text[at : at + cut])
        restorer.close()

    for cut in (100, 100_000):
        few, many = (calls(partial(feed, size, cut)) for size in (5_000, 10_000))
        assert many <= 2.4 * few + 2_000
