"""A whole log, entry by entry: order, borders, and exactly one end an exchange."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from guard.audit.verify import LogCheck, VerificationFailed, encode

INTENT, OUTCOME, GAP, REFUSED = (f"exchange.{kind}" for kind in ("intent", "outcome", "gap", "refused"))


def entry(
    number: int,
    type: str = "system.stopped",
    exchange: str | None = None,
    changes: Mapping[str, object] = MappingProxyType({}),
) -> bytes:
    """Return an entry as a log has it."""
    named = {} if exchange is None else {"exchange": exchange}
    plain = {
        "boot": "b",
        "id": f"id-{number}",
        "sealed": {},
        "tenant": "default",
        "time": 100 + number,
        "type": type,
        "v": 1,
        **named,
    }
    return encode({**plain, **changes})


def checked(*entries: bytes) -> LogCheck:
    """Check a log of these entries."""
    check = LogCheck("default")
    for line in entries:
        check.add(line)
    return check


def history(*steps: tuple[str, str]) -> LogCheck:
    """Check a log of these types and exchanges."""
    return checked(*[entry(number, type, exchange) for number, (type, exchange) in enumerate(steps)])


def test_it_tells_size_times_and_what_is_open() -> None:
    check = history((INTENT, "a"), (INTENT, "b"), (REFUSED, "c"), (OUTCOME, "a"))
    assert (check.size, check.first, check.last) == (4, 100, 103)
    assert (check.open, check.ended) == ({"b"}, {"a", "c"})


GOOD = {
    "several attempts": [(INTENT, "a"), (INTENT, "a"), (OUTCOME, "a")],
    "a gap": [(INTENT, "a"), (GAP, "a")],
    "a refusal without an attempt": [(REFUSED, "a")],
    "exchanges that overlap": [(INTENT, "a"), (INTENT, "b"), (OUTCOME, "b"), (OUTCOME, "a")],
    "no end yet": [(INTENT, "a")],
}


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD)
def test_what_may_happen_to_an_exchange(steps: list[tuple[str, str]]) -> None:
    assert history(*steps).size == len(steps)


BAD = {
    "an outcome without an intent": ([(OUTCOME, "a")], "an end without an intent"),
    "a gap without an intent": ([(GAP, "a")], "an end without an intent"),
    "an outcome of another exchange": ([(INTENT, "a"), (OUTCOME, "b")], "an end without an intent"),
    "two outcomes": ([(INTENT, "a"), (OUTCOME, "a"), (OUTCOME, "a")], "a second end"),
    "an outcome and a gap": ([(INTENT, "a"), (OUTCOME, "a"), (GAP, "a")], "a second end"),
    "a gap and an outcome": ([(INTENT, "a"), (GAP, "a"), (OUTCOME, "a")], "a second end"),
    "two refusals": ([(REFUSED, "a"), (REFUSED, "a")], "a second end"),
    "an attempt after the end": ([(INTENT, "a"), (OUTCOME, "a"), (INTENT, "a")], "an attempt after the end"),
    "an attempt after a refusal": ([(REFUSED, "a"), (INTENT, "a")], "an attempt after the end"),
}


@pytest.mark.parametrize(("steps", "said"), BAD.values(), ids=BAD)
def test_what_may_not_happen_to_an_exchange(steps: list[tuple[str, str]], said: str) -> None:
    last = len(steps) - 1
    with pytest.raises(VerificationFailed, match=f"log default entry {last}: {said}"):
        history(*steps)


OFF: dict[str, dict[str, object]] = {
    "no version": {"v": None},
    "another version": {"v": 2},
    "a version that only equals one": {"v": True},
    "a version as text": {"v": "1"},
    "a time as text": {"time": "100"},
    "a time that is true": {"time": True},
    "a time before 1970": {"time": -1},
    "no id": {"id": None},
    "an id that is a number": {"id": 7},
    "no boot": {"boot": None},
    "no type": {"type": None},
    "no tenant": {"tenant": None},
    "no sealed names": {"sealed": None},
    "sealed names in a list": {"sealed": []},
    "an exchange that is a list": {"exchange": []},
}


@pytest.mark.parametrize("changes", OFF.values(), ids=OFF)
def test_an_entry_of_another_shape_is_no_record(changes: dict[str, object]) -> None:
    with pytest.raises(VerificationFailed, match="log default entry 0: not a record"):
        checked(entry(0, changes=changes))


@pytest.mark.parametrize("time", [100, 99, 0])
def test_time_rises(time: int) -> None:
    with pytest.raises(VerificationFailed, match="time does not rise"):
        checked(entry(0), entry(1, changes={"time": time}))


def test_the_first_entry_may_be_of_1970() -> None:
    assert checked(entry(0, changes={"time": 0})).first == 0


def test_an_entry_of_another_log_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="of another log"):
        checked(entry(0, changes={"tenant": "other"}))


def test_an_entry_in_another_spelling_is_refused() -> None:
    with pytest.raises(VerificationFailed, match="not in canonical form"):
        checked(json.dumps(json.loads(entry(0))).encode())
