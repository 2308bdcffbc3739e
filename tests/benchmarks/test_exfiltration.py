"""gateway.exfiltration with one type of value, and a gate that restores everywhere."""

from __future__ import annotations

import json

import pytest

from benchmarks.gateway.answers import Call, Choice
from benchmarks.gateway.exfiltration import KINDS, exfiltration, originals_in
from benchmarks.outcome import Outcome
from guard.protection.sinks import Place


def _measured(outcome: Outcome) -> dict[str, float]:
    return {one.bar: one.value for one in outcome.measured}


def _withheld_in_prose(outcome: Outcome) -> float:
    return next(fact.value for fact in outcome.facts if fact.what.endswith("did not"))


@pytest.mark.parametrize("kind", KINDS)
def test_no_original_reaches_a_sink_that_is_not_allowed(kind: str, seed: int) -> None:
    outcome = exfiltration(rounds=1, seed=seed, say=print, kinds=[kind])
    assert _measured(outcome)["answers"] >= 4
    assert _measured(outcome)["originals"] == 0, outcome.notes
    assert _withheld_in_prose(outcome) == 0


def test_a_gate_that_restores_everywhere_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "permits", lambda *_, **__: True)
    outcome = exfiltration(rounds=1, seed=1, say=print, kinds=["EMAIL_ADDRESS"])
    assert _measured(outcome)["originals"] > 0
    assert outcome.notes


VALUE = "a b+c@d"


@pytest.mark.parametrize(
    "written",
    [
        VALUE,
        "x=a%20b%2Bc%40d",
        "x=a+b%2Bc%40d",
        "YSBiK2NAZA",
    ],
    ids=["plain", "percent", "form", "base64"],
)
def test_a_value_is_found_in_its_written_forms(written: str) -> None:
    assert originals_in([Choice(texts={"content": f"see {written}."})], VALUE) == 1


def test_a_value_is_found_in_json_inside_json() -> None:
    arguments = json.dumps({"a": json.dumps({"b": [{"\u0061 b+c@d": 1}]})})
    assert originals_in([Choice(calls=[Call(name="t", arguments=arguments)])], VALUE) > 0


def test_another_value_is_not_found() -> None:
    assert originals_in([Choice(texts={"content": "a b+c@e"})], VALUE) == 0
