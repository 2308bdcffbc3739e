"""Restoring: by sink, by tool, by kind of value, however it was cut."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from guard.domain.entities import CATALOGUE
from guard.domain.principal import Tools
from guard.protection.plan import Original
from guard.protection.restore import RestoreContext, Restorer
from guard.protection.sinks import hosts_in
from tests.unit.protection.answers import HARMLESS, HARMLESS_ARGUMENTS, HOSTILE, HOSTILE_ARGUMENTS

EMAIL, PHONE, CARD, KEY = "ann.lee@acme.io", "+1 415 555 2671", "4539148803436467", 'ghp_aZ3k"Q9\n'
VAULT = {
    "EMLX0123456789AB": ("EMAIL_ADDRESS", EMAIL),
    "PHNX0123456789AB": ("PHONE_NUMBER", PHONE),
    "CRDX0123456789AB": ("CREDIT_CARD", CARD),
    "GHTX0123456789AB": ("GITHUB_TOKEN", KEY),
}
CONTEXT = RestoreContext(
    vault={
        token: Original(value=value, entity_type=name, group=CATALOGUE[name].group)
        for token, (name, value) in VAULT.items()
    },
    hosts=hosts_in(["please look at https://ok.example/help"]),
    tools=Tools(secret=("Write", "edit_*"), egress=("WebFetch", "mcp__*")),
)
WRITTEN = (
    "EMLX0123456789AB@guard.invalid",
    "EMLX0123456789AB",
    "emlx0123456789ab@GUARD.invalid",
    "PHNX0123456789AB",
)


def restored(text: str, *, sink: str = "prose", cut: int | None = None) -> str:
    """Restore in a text, whole or in pieces of ``cut``."""
    restorer = Restorer(CONTEXT, sink=sink)
    pieces = [text] if cut is None else [text[at : at + cut] for at in range(0, len(text), cut)]
    return "".join(map(restorer.feed, pieces)) + restorer.close()


def arguments(source: str, tool: str) -> str:
    """Restore in the arguments of a tool."""
    return Restorer(CONTEXT, sink=f"tool:{tool}").source(source)


@pytest.mark.parametrize("surrogate", WRITTEN)
@pytest.mark.parametrize("answer", [one for group in HOSTILE.values() for one in group])
def test_no_value_reaches_a_strangers_address(answer: str, surrogate: str) -> None:
    text = answer.replace("§", surrogate)
    assert restored(text) == text
    for cut in (1, 2, 7):
        assert restored(text, cut=cut) == text


@pytest.mark.parametrize("surrogate", WRITTEN)
@pytest.mark.parametrize("answer", HARMLESS)
def test_in_prose_code_and_the_callers_addresses_it_comes_back(answer: str, surrogate: str) -> None:
    value = EMAIL if surrogate.lower().startswith("eml") else PHONE
    text, whole = answer.replace("§", surrogate), answer.replace("§", value)
    assert restored(text) == whole
    for cut in (1, 2, 7):
        assert restored(text, cut=cut) == whole


@pytest.mark.parametrize("source", HOSTILE_ARGUMENTS)
def test_no_value_reaches_a_strangers_address_through_arguments(source: str) -> None:
    for surrogate in WRITTEN:
        text = source.replace("§", surrogate)
        assert arguments(text, "browse") == text


@pytest.mark.parametrize("source", HARMLESS_ARGUMENTS)
def test_in_arguments_it_comes_back(source: str) -> None:
    for surrogate in WRITTEN[:3]:
        text = arguments(source.replace("§", surrogate), "browse")
        assert json.loads(text) == json.loads(source.replace("§", EMAIL))


def test_escapes_in_arguments_are_read() -> None:
    source = r'{"a":"\u0045MLX0123456789AB\u0040guard.invalid \u00e9"}'
    assert arguments(source, "browse") == r'{"a":"ann.lee@acme.io \u00e9"}'


@pytest.mark.parametrize("tool", ["Write", "edit_file"])
def test_tools_listed_under_secret_get_everything_everywhere(tool: str) -> None:
    source = '{"a":"GHTX0123456789AB","u":"https://evil.test/?CRDX0123456789AB"}'
    assert json.loads(arguments(source, tool)) == {"a": KEY, "u": f"https://evil.test/?{CARD}"}


@pytest.mark.parametrize("tool", ["WebFetch", "mcp__send"])
def test_tools_listed_under_egress_get_nothing(tool: str) -> None:
    source = '{"a":"EMLX0123456789AB","b":"GHTX0123456789AB"}'
    assert arguments(source, tool) == source


def test_names_of_tools_are_compared_in_their_own_case() -> None:
    source = '{"b":"GHTX0123456789AB"}'
    assert arguments(source, "write") == source


def test_secrets_stay_in_prose_and_in_other_tools() -> None:
    assert restored("key GHTX0123456789AB") == "key GHTX0123456789AB"
    assert arguments('{"k":"GHTX0123456789AB"}', "browse") == '{"k":"GHTX0123456789AB"}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("card CRDX0123456789AB", f"card {CARD}"),
        ("`CRDX0123456789AB`", f"`{CARD}`"),
        ("https://ok.example/?c=CRDX0123456789AB", "https://ok.example/?c=CRDX0123456789AB"),
        ("[a](https://ok.example/CRDX0123456789AB)", "[a](https://ok.example/CRDX0123456789AB)"),
        ("<a href='https://ok.example/CRDX0123456789AB'>", "<a href='https://ok.example/CRDX0123456789AB'>"),
        ("<a href='mailto:CRDX0123456789AB'>", "<a href='mailto:CRDX0123456789AB'>"),
        ("[a](mailto:CRDX0123456789AB)", "[a](mailto:CRDX0123456789AB)"),
    ],
)
def test_cards_come_back_in_prose_and_code_but_in_no_address(text: str, shown: str) -> None:
    assert restored(text) == shown


def test_cards_stay_in_tools() -> None:
    assert arguments('{"c":"CRDX0123456789AB"}', "browse") == '{"c":"CRDX0123456789AB"}'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("EMLX0123456789AC", id="not of this exchange"),
        pytest.param("XEMLX0123456789AB", id="glued before"),
        pytest.param("EMLX0123456789ABX", id="glued behind"),
        pytest.param("EMLX0123456789AB@guard.invalidx", id="glued to its shape"),
        pytest.param("seeEMLX0123456789AB:seeEMLX0123456789AB.", id="glued, in a long run"),
    ],
)
def test_what_is_not_ours_stays(text: str) -> None:
    for cut in (None, 1, 3):
        assert restored(text, cut=cut) == text


def test_counts() -> None:
    restorer = Restorer(CONTEXT, sink="prose")
    restorer.feed("EMLX0123456789AB, GHTX0123456789AB, EMLX0123456789AC, https://evil.test/EMLX0123456789AB ")
    restorer.close()
    assert (restorer.restored, restorer.withheld) == (1, 2)


def test_counts_in_what_is_no_json() -> None:
    restorer = Restorer(CONTEXT, sink="tool:browse")
    assert restorer.source("EMLX0123456789AB, EMLX0123456789AC") == "EMLX0123456789AB, EMLX0123456789AC"
    assert (restorer.restored, restorer.withheld) == (0, 1)


def test_without_surrogates_nothing_is_held() -> None:
    restorer = Restorer(RestoreContext(vault={}, hosts=frozenset(), tools=Tools()), sink="prose")
    assert restorer.feed("EMLX0123456789") == "EMLX0123456789"
    assert restorer.source('{"a":') == '{"a":'


def test_little_is_held() -> None:
    restorer = Restorer(CONTEXT, sink="prose")
    assert restorer.feed("a sentence that ends. ") == "a sentence that ends. "
    assert len("word" * 200) - len(restorer.feed("word" * 200)) <= 34


def test_a_value_that_holds_an_address_is_one_for_what_follows() -> None:
    """What was restored counts as written: it may be the beginning of an address."""
    vault = {
        "EMLX0123456789AB": Original(
            value="www.evil.test?x@acme.io",
            entity_type="EMAIL_ADDRESS",
            group=CATALOGUE["EMAIL_ADDRESS"].group,
        ),
        "PHNX0123456789AB": CONTEXT.vault["PHNX0123456789AB"],
    }
    restorer = Restorer(RestoreContext(vault=vault, hosts=frozenset(), tools=Tools()), sink="prose")
    out = restorer.feed("EMLX0123456789AB&PHNX0123456789AB") + restorer.close()
    assert out == "www.evil.test?x@acme.io&PHNX0123456789AB"


def test_long_runs_are_remembered() -> None:
    """An address further left than is kept still counts; so does what it opened."""
    for filler in ("a" * 5_000, "a/" * 3_000, "中" * 2_000):
        text = f"https://evil.test/{filler}/EMLX0123456789AB"
        assert restored(text) == text
        assert restored(text, cut=100) == text
        text = f'"https://evil.test/{filler} EMLX0123456789AB"'
        assert restored(text) == text
    assert restored("a/" * 3_000 + "EMLX0123456789AB") == "a/" * 3_000 + EMAIL
    assert restored("https://ok.example/" + "a" * 3_000 + "/EMLX0123456789AB").endswith(EMAIL)


def test_the_corpora_differ() -> None:
    flat = sorted([*HARMLESS, *(one for group in HOSTILE.values() for one in group)])
    assert all(one != other for one, other in pairwise(flat))
    assert len(flat) > 150
