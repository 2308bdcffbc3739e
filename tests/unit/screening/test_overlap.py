"""Overlaps: worked examples, a slow twin, and where a stream may be cut."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from guard.screening.overlap import RANK, SPAN, resolve, settle
from guard.screening.view import Candidate


def candidate(entity_type: str, start: int, end: int, score: float = 0.9) -> Candidate:
    """Return a candidate."""
    return Candidate(entity_type=entity_type, start=start, end=end, score=score, recognizer="test")


def spans(candidates: list[Candidate]) -> list[tuple[str, int, int]]:
    """Return what tells candidates apart."""
    return [(one.entity_type, one.start, one.end) for one in candidates]


EMAIL, CARD, PHONE = "EMAIL_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER"
SECRET, URL, SSN = "SECRET_IN_CONTEXT", "URL_CREDENTIALS", "US_SSN"


@pytest.mark.parametrize(
    ("given", "winners"),
    [
        pytest.param(
            [(EMAIL, 0, 5), (CARD, 5, 9)], [(EMAIL, 0, 5), (CARD, 5, 9)], id="touching is no overlap"
        ),
        pytest.param([(PHONE, 0, 9), (CARD, 5, 21)], [(CARD, 5, 21)], id="more evidence wins"),
        pytest.param([(CARD, 0, 16), (CARD, 0, 19)], [(CARD, 0, 19)], id="then the longest"),
        pytest.param([(PHONE, 0, 9), (PHONE, 5, 14)], [(PHONE, 0, 9)], id="then the leftmost"),
        pytest.param([(URL, 8, 19), (EMAIL, 13, 28)], [(URL, 8, 19)], id="a URL's password is no address"),
        pytest.param(
            [(SECRET, 0, 30), (EMAIL, 9, 20)], [(SECRET, 0, 30)], id="what holds another is found whole"
        ),
        pytest.param(
            [(CARD, 0, 16), (PHONE, 12, 24), (PHONE, 17, 24)],
            [(CARD, 0, 16), (PHONE, 17, 24)],
            id="a loser makes room for what it crossed",
        ),
        pytest.param(
            [("NEW_TYPE", 0, 9), (SECRET, 8, 12)], [(SECRET, 8, 12)], id="an unknown type is weakest"
        ),
    ],
)
def test_worked_examples(given: list[tuple[str, int, int]], winners: list[tuple[str, int, int]]) -> None:
    candidates = [candidate(*one) for one in given]
    assert spans(resolve(candidates)) == winners
    assert spans(resolve(reversed(candidates))) == winners


def test_of_the_same_span_the_higher_score_stays() -> None:
    low, high = candidate(PHONE, 0, 11, 0.6), candidate(PHONE, 0, 11, 0.85)
    assert resolve([low, high]) == [high] == resolve([high, low])


def slow_resolve(candidates: list[Candidate]) -> list[Candidate]:
    """Resolve by the rules alone: take chains from the left, look at every pair."""
    left = sorted(candidates, key=lambda one: (one.start, one.end))
    winners: list[Candidate] = []
    while left:
        chain = [left[0]]
        for one in left[1:]:
            reach = min(max(other.end for other in chain), left[0].start + SPAN)
            if one.start < reach:
                chain.append(one)
        chosen: list[Candidate] = []
        for one in sorted(chain, key=lambda one: slow_strength(one, chain)):
            if not any(one.start < other.end and other.start < one.end for other in chosen):
                chosen.append(one)
        winners += sorted(chosen, key=lambda one: one.start)
        free = max(one.end for one in chosen)
        left = [one for one in left if one not in chain and one.start >= free]
    return winners


def slow_strength(one: Candidate, chain: list[Candidate]) -> tuple[int, int, int, str, float]:
    """Return the order of the rules."""
    held = [other for other in chain if one.start <= other.start and other.end <= one.end]
    rank = max(RANK.get(other.entity_type, 0) for other in held)
    return -rank, one.start - one.end, one.start, one.entity_type, -one.score


def drawn(source: random.Random, *, many: int) -> list[Candidate]:
    """Draw different candidates."""
    names = [*RANK, "NEW_TYPE"]
    spans = {(source.choice(names), source.randint(0, 900), source.randint(1, 60)) for _ in range(many)}
    return [candidate(name, start, start + length) for name, start, length in sorted(spans)]


def test_the_same_as_the_slow_twin(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(300):
        candidates = drawn(source, many=source.randint(0, 60))
        assert spans(resolve(candidates)) == spans(slow_resolve(candidates))


def test_winners_are_in_order_and_apart(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(50):
        for one, other in pairwise(resolve(drawn(source, many=400))):
            assert one.end <= other.start


def test_what_is_settled_early_is_what_the_whole_gives(seed: int) -> None:
    """With candidates from a boundary on unknown, the winners before it are the same."""
    source = random.Random(seed)
    for _ in range(300):
        candidates = drawn(source, many=source.randint(1, 40))
        boundary = source.randint(0, 1_000)
        known = [one for one in candidates if one.start < boundary]
        early, reached = settle(known, boundary)
        assert reached is not None and reached <= boundary
        assert all(one.end <= reached for one in early)
        late = resolve([one for one in candidates if one.start >= reached])
        assert spans(early + late) == spans(resolve(candidates))


def test_an_endless_chain_waits_only_so_long() -> None:
    chain = [candidate(EMAIL, start, start + 20) for start in range(0, 20_000, 10)]
    winners, reached = settle(chain, 20_000)
    assert reached is not None and 20_000 - reached < 2 * SPAN
    assert len(winners) > 900
