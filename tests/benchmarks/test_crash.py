"""gateway.crash with 1/50 of its kills, and its judge on evidence with a fault in it."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.gateway import crash
from benchmarks.gateway.crash import Evidence, judge
from benchmarks.gateway.load import Answer


def _bars(outcome: object) -> dict[str, float]:
    return {measured.bar: measured.value for measured in outcome.measured}  # type: ignore[attr-defined]


def test_two_kills_of_both_workers_lose_nothing(seed: int) -> None:
    outcome = crash.crash(rounds=crash.ROUNDS // 50, seed=seed, say=print)
    facts = {fact.what: fact.value for fact in outcome.facts}
    assert _bars(outcome) == {"rounds": 2, "lost": 0, "unrecorded": 0, "problems": 0}, outcome.notes
    assert facts["answers that came whole"] > 0
    assert facts["requests that the kills broke"] > 0


def _evidence() -> Evidence:
    return Evidence(
        answers=[Answer("a", 3)],
        forwards=["body-a", "body-b"],
        intents={"a": {3: "body-a"}, "b": {4: "body-b"}},
        outcomes=Counter({"a": 1}),
    )


def test_answers_and_forwards_with_their_records_are_fine() -> None:
    assert judge(_evidence()) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(lambda e: e.outcomes.clear(), (1, 0), id="an answer without an outcome"),
        pytest.param(lambda e: e.outcomes.update(["a"]), (1, 0), id="an answer with two ends"),
        pytest.param(lambda e: e.answers.append(Answer("c", 9)), (1, 0), id="an answer nobody recorded"),
        pytest.param(lambda e: e.answers.append(Answer("a", 8)), (1, 0), id="an answer with another index"),
        pytest.param(lambda e: e.forwards.append("body-x"), (0, 1), id="a forward without intent"),
        pytest.param(lambda e: e.forwards.append("body-a"), (0, 1), id="a second forward for one intent"),
    ],
)
def test_a_fault_is_counted(fault: object, expected: tuple[int, int]) -> None:
    evidence = _evidence()
    fault(evidence)  # type: ignore[operator]
    assert judge(evidence) == expected
