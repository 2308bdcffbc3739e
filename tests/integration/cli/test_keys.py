"""``guard keys``: issue, list, rotate with overlap, revoke."""

from __future__ import annotations

import json
import re
import time

import pytest

from guard.identity.api_keys import well_formed
from tests.integration.cli.conftest import Guard

HOUR = 3_600_000_000


def issue(guard: Guard, *options: str) -> dict[str, object]:
    """Issue a key and return what it printed."""
    done = guard("keys", "issue", "--application", "crm", "--json", *options)
    assert done.code == 0, done.err
    issued: dict[str, object] = json.loads(done.out)
    return issued


def listed(guard: Guard, *options: str) -> dict[str, dict[str, object]]:
    """Return the keys of application crm by id."""
    rows = json.loads(guard("keys", "list", "--json", *options).out)
    return {row["id"]: row for row in rows if row["application"] == "crm"}


def test_a_key_is_shown_once_and_never_again(guard: Guard) -> None:
    issued = issue(guard, "--models", "gpt-*, o4", "--purposes", "support", "--requests-per-minute", "9")
    assert set(issued) == {"id", "key", "expires"} and well_formed(str(issued["key"]))
    shown = guard("keys", "list")
    assert str(issued["id"]) in shown.out and str(issued["key"]) not in shown.out
    row = listed(guard)[str(issued["id"])]
    assert (row["models"], row["purposes"], row["state"]) == (["gpt-*", "o4"], ["support"], "active")
    assert row["requests_per_minute"] == 9 and row["concurrency"] is None


def test_people_read_the_same(guard: Guard) -> None:
    done = guard("keys", "issue", "--application", "crm", "--expires", "2199-12-31")
    assert done.code == 0
    assert re.search(r"^key      gk_live_\w{36}   \(shown this once\)$", done.out, re.MULTILINE)
    assert "may      ask for * as crm, for general" in done.out
    assert "expires  2200-01-01 00:00:00.000Z" in done.out, "the whole last day is good"


@pytest.mark.parametrize(
    ("span", "length"), [("90d", 90 * 24 * HOUR), ("12h", 12 * HOUR), ("30m", HOUR // 2)]
)
def test_a_key_ends_after_a_span(guard: Guard, span: str, length: int) -> None:
    before = time.time_ns() // 1000
    expires = issue(guard, "--expires", span)["expires"]
    assert isinstance(expires, int) and before + length <= expires <= time.time_ns() // 1000 + length


def test_rotating_leaves_both_keys_good_for_the_overlap(guard: Guard) -> None:
    old = issue(guard, "--models", "gpt-*", "--concurrency", "3")
    done = guard("keys", "rotate", str(old["id"]), "--overlap", "2h", "--json")
    assert done.code == 0
    new = json.loads(done.out)
    assert new["key"] != old["key"]
    rows = listed(guard)
    assert {rows[str(old["id"])]["state"], rows[new["id"]]["state"]} == {"active"}
    ends = rows[str(old["id"])]["expires"]
    assert isinstance(ends, int) and abs(ends - time.time_ns() // 1000 - 2 * HOUR) < HOUR // 60
    kept = ("models", "purposes", "tenant", "concurrency", "requests_per_minute")
    assert [rows[new["id"]][name] for name in kept] == [rows[str(old["id"])][name] for name in kept]


def test_a_revoked_key_ends_at_once_and_is_listed_only_on_request(guard: Guard) -> None:
    issued = issue(guard)
    done = guard("keys", "revoke", str(issued["id"]), "--json")
    assert done.code == 0 and json.loads(done.out)["id"] == issued["id"]
    assert str(issued["id"]) not in listed(guard)
    assert listed(guard, "--all")[str(issued["id"])]["state"] == "revoked"
    again = guard("keys", "revoke", str(issued["id"]))
    assert again.code == 2 and "revoked already" in again.err


def test_every_change_is_a_record(guard: Guard) -> None:
    first = issue(guard)
    second = json.loads(guard("keys", "rotate", str(first["id"]), "--json").out)
    guard("keys", "revoke", second["id"])
    rows = [json.loads(line) for line in guard("log", "tail", "-n", "50", "--json").out.splitlines()]
    types = [row["type"] for row in rows if row["application"] == "crm"]
    assert types.count("key.rotated") == types.count("key.revoked") == 1
    assert types[0] == "key.issued" and types[-1] == "key.revoked"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("issue", "--application", "no/slash"), "'no/slash' is no application name"),
        (("issue", "--application", "crm", "--tenant", "system"), "reserved"),
        (("issue", "--application", "crm", "--expires", "soon"), "write 90d, 12h, 2030-12-31 or never"),
        (("issue", "--application", "crm", "--expires", "2001-01-01"), "expired already"),
        (("issue", "--application", "crm", "--expires", "2999-12-31"), "let it end never"),
        (("issue", "--application", "crm", "--models", " , "), "a key needs 1 to 64 models"),
        (("issue",), "--application"),
        (("rotate", "nobody"), "no key nobody; see: guard keys list"),
        (("rotate", "nobody", "--overlap", "long"), "long"),
        (("revoke", "nobody"), "no key nobody; see: guard keys list"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_said_in_a_line_with_exit_code_2(
    guard: Guard, arguments: tuple[str, ...], said: str
) -> None:
    done = guard("keys", *arguments)
    assert done.code == 2 and said in " ".join(done.err.replace("│", " ").split())
    assert "Traceback" not in done.err
