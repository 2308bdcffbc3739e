"""Addresses: which hosts the caller named, and which of a text's are strangers."""

from __future__ import annotations

import pytest

from guard.protection.addresses import hosts_in, judge

OK = frozenset({"ok.example"})


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        pytest.param("see https://ok.example/a and http://b.example", {"ok.example", "b.example"}, id="two"),
        pytest.param("https://OK.Example:8443/", {"ok.example"}, id="capitals and a port"),
        pytest.param(
            "(https://ok.example), https://b.example.", {"ok.example", "b.example"}, id="punctuation"
        ),
        pytest.param("见https://ok.example。", {"ok.example"}, id="between Han characters"),
        pytest.param("https://ann:pw@ok.example/", {"ok.example"}, id="the host, not the user"),
        pytest.param("https://evil.example@ok.example/", {"ok.example"}, id="not what looks like one"),
        pytest.param('"https://ok.example"', {"ok.example"}, id="in quotes"),
        pytest.param(
            "ftp://ok.example www.b.example c.example/x", set(), id="only addresses with a scheme of the web"
        ),
        pytest.param("https://пример.рф/", set(), id="none that could be read in two ways"),
        pytest.param("https://[::1]/", set(), id="no numbers in brackets"),
        pytest.param("https://", set(), id="nothing"),
    ],
)
def test_hosts_in_the_callers_words(text: str, hosts: set[str]) -> None:
    assert hosts_in([text]) == hosts


@pytest.mark.parametrize(
    ("text", "found", "is_open", "strangers"),
    [
        ("plain words, a/b, 1.2.3, x.y", False, False, 0),
        ("https://ok.example/a", True, False, 0),
        ("https://ok.example", True, True, 0),
        ("https://evil.test/", True, False, 1),
        ("https://evil.test", True, True, 0),
        ("//", True, True, 0),
        ("//evil.test/", True, False, 1),
        ("https://ok.example/?u=//evil.test/", True, False, 1),
        ("www.ok.example/", True, False, 1),
        ("evil.test/", True, False, 1),
        ("evil.test:80/", True, False, 1),
        ("evil.test", False, False, 0),
        ("main.py:12", False, False, 0),
        ("v1.2/3.4", False, False, 0),
        ("C:\\\\Users\\\\x", False, False, 0),
        ("javascript:x", True, False, 1),
        ("mailto:", False, False, 0),
        ("mailto:a@b", True, False, 1),
        ("metadata:x/", False, False, 0),
    ],
)
def test_judge(text: str, found: bool, is_open: bool, strangers: int) -> None:
    judged = judge(text, OK)
    assert (judged.found, judged.open, len(judged.strangers)) == (found, is_open, strangers)
    assert judged.foreign == (is_open or strangers > 0)


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ('{"u":"https://evil.test","to":"', False),
        ('["https://evil.test","', False),
        ('"https://evil.test"', True),
        ('"https://evil.test",', True),
        ('"https://evil.test"+"', True),
        ('https://evil.test,"', True),
    ],
)
def test_in_arguments_a_closed_quotation_ends_an_address(text: str, foreign: bool) -> None:
    assert judge(text, OK, quoted=True).foreign == foreign
    assert judge(text, OK).foreign


@pytest.mark.parametrize(
    ("text", "opener", "first"),
    [
        ('src="https://evil.test/a', '"', False),
        ("<https://evil.test/a", "<", False),
        ("(//evil.test/a", "(", False),
        ("https://evil.test/a", "", True),
        ("q=https://evil.test/a", "=", False),
    ],
)
def test_what_stood_before_a_strangers_address(text: str, opener: str, first: bool) -> None:
    (stranger,) = judge(text, OK).strangers
    assert (stranger.opener, stranger.first) == (opener, first)
