"""E-mail addresses."""

from __future__ import annotations

import pytest

from guard.screening.recognizers.email import Email
from tests.unit.screening.seen import alone, seen, types

EMAIL = alone(Email())


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("ann.lee@acme.io", "ann.lee@acme.io", id="alone"),
        pytest.param("<ann+news@mail.acme.co.uk>", "ann+news@mail.acme.co.uk", id="in brackets"),
        pytest.param("mailto:ann@acme.io?subject=x", "ann@acme.io", id="in a link"),
        pytest.param("Write to ann@acme.io.", "ann@acme.io", id="at the end of a sentence"),
        pytest.param("_ann@acme.io_", "_ann@acme.io", id="in emphasis"),
        pytest.param("**ann@acme.io**", "ann@acme.io", id="in strong emphasis"),
        pytest.param("ann@acme.io-", "ann@acme.io", id="before a dash"),
        pytest.param("user='ann@acme.io'", "ann@acme.io", id="in quotes"),
        pytest.param("f'ann@acme.io'", "ann@acme.io", id="in a formatted string"),
        pytest.param("pat.o'brien@acme.io", "pat.o'brien@acme.io", id="an apostrophe in a name"),
        pytest.param("?mail=ann@acme.io&x=1", "ann@acme.io", id="in a query"),
        pytest.param("/home/ann@acme.io", "ann@acme.io", id="in a path"),
        pytest.param("邮箱zhang.wei@qq.com是", "zhang.wei@qq.com", id="between Han characters"),
        pytest.param("ann@acme.io。谢谢", "ann@acme.io", id="before an ideographic full stop"),
        pytest.param("ann@acme。io", "ann@acme。io", id="an ideographic full stop as a dot"),
        pytest.param("ａｎｎ＠ａｃｍｅ．ｉｏ", "ａｎｎ＠ａｃｍｅ．ｉｏ", id="full width"),
        pytest.param("an\u200bn@ac\u00adme.io", "an\u200bn@ac\u00adme.io", id="with invisible characters"),
        pytest.param("jürgen.groß@müller.de", "jürgen.groß@müller.de", id="letters beyond ASCII"),
        pytest.param("иван@почта.рф", "иван@почта.рф", id="Cyrillic"),
        pytest.param("a@xn--d1acufc.xn--p1ai", "a@xn--d1acufc.xn--p1ai", id="punycode"),
        pytest.param(r"one\nann@acme.io\ntwo", "ann@acme.io", id="between written line ends"),
        pytest.param("ann@firma.rs", "ann@firma.rs", id="a country that is an ending too"),
        pytest.param("ANN@ACME.IO", "ANN@ACME.IO", id="capitals"),
        pytest.param("ann@acme.io@", "ann@acme.io", id="before another sign"),
    ],
)
def test_addresses(text: str, found: str) -> None:
    assert seen(text, EMAIL) == [("EMAIL_ADDRESS", found)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("icon@2x.png", id="a picture for retina screens"),
        pytest.param("left-pad@1.3.0", id="a package with a version"),
        pytest.param("import x from '@scope/name.js'", id="a scoped package"),
        pytest.param("ann@localhost", id="a host without a dot"),
        pytest.param("ann@acme", id="no top-level domain"),
        pytest.param("@decorator.name", id="nothing before the sign"),
        pytest.param("ann.@acme.io", id="a dot before the sign"),
        pytest.param("ann@-acme.io", id="a label that begins with a dash"),
        pytest.param("ann@acme.i0", id="a digit in the last label"),
        pytest.param("https://user:word@acme.io/x", id="a password in a URL"),
        pytest.param("ANN@guard.invalid", id="our own domain"),
        pytest.param("@@@@", id="signs only"),
    ],
)
def test_what_is_none(text: str) -> None:
    assert seen(text, EMAIL) == []


@pytest.mark.parametrize(
    "domain", ["example.com", "mail.example.org", "example.co.uk", "acme.test", "acme.example", "x.invalid"]
)
def test_addresses_that_belong_to_nobody(domain: str) -> None:
    assert types(f"ann@{domain}", EMAIL) == ["EMAIL_ADDRESS_EXAMPLE"]


@pytest.mark.parametrize("domain", ["example-shop.com", "myexample.com", "example.company", "test.com"])
def test_addresses_that_only_look_so(domain: str) -> None:
    assert types(f"ann@{domain}", EMAIL) == ["EMAIL_ADDRESS"]


def test_several_in_a_row() -> None:
    text = "ann@acme.io,bob@acme.io;cy@acme.io"
    assert [value for _, value in seen(text, EMAIL)] == ["ann@acme.io", "bob@acme.io", "cy@acme.io"]


def test_of_a_local_part_that_is_too_long_the_end_is_found() -> None:
    assert seen("x" * 70 + "@acme.io", EMAIL) == [("EMAIL_ADDRESS", "x" * 64 + "@acme.io")]
