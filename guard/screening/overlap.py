"""From overlapping candidates to findings that do not overlap, the same for every window.

Candidates that overlap form components. Inside a component the strongest wins, then the
longest, then the leftmost; what overlaps a winner is dropped. A candidate is as strong as
the strongest that it holds: a password with an address inside is found whole. Nothing
outside a component has a say in it, and a chain of overlaps is cut after ``SPAN``, so a
text may be cut between components and little of it has to wait.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterable, Sequence

from guard.screening.view import Candidate

__all__ = ["SPAN", "resolve", "settle"]

RANK = {
    "PRIVATE_KEY": 9,
    "URL_CREDENTIALS": 8,
    "JWT": 7,
    "AWS_ACCESS_KEY": 7,
    "GITHUB_TOKEN": 7,
    "OPENAI_API_KEY": 7,
    "SLACK_TOKEN": 7,
    "CN_RESIDENT_ID": 6,
    "CREDIT_CARD": 5,
    "CREDIT_CARD_TEST": 5,
    "IBAN_CODE": 5,
    "EMAIL_ADDRESS": 5,
    "EMAIL_ADDRESS_EXAMPLE": 5,
    "US_SSN": 4,
    "IP_ADDRESS": 4,
    "IP_ADDRESS_PRIVATE": 4,
    "MAC_ADDRESS": 4,
    "PHONE_NUMBER": 3,
    "SECRET_IN_CONTEXT": 2,
}
"""What is confirmed by more evidence wins; a type that is not here is weakest."""

SPAN = 512
"""Candidates that begin further from the first of a chain belong to the next component."""

MANY = 64
"""In a component of more candidates each counts for itself: comparing all pairs would not be linear."""


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the winners, by start."""
    return settle(candidates, None)[0]


def settle(candidates: Iterable[Candidate], boundary: int | None) -> tuple[list[Candidate], int | None]:
    """Return the winners whose components are complete before ``boundary``, and how far that is.

    Candidates that begin before ``boundary`` are known and final, others are not. The second
    result is ``boundary``, or the start of the first component that is not complete.
    """
    ordered = sorted(candidates, key=lambda c: (c.start, c.end))
    winners: list[Candidate] = []
    index = free = 0
    while index < len(ordered):
        first = ordered[index]
        if first.start < free:
            index += 1
            continue
        stop, reach = _component(ordered, index)
        chosen = ordered[index:stop] if stop == index + 1 else _winners(ordered[index:stop])
        if boundary is not None and max(reach, chosen[-1].end) > boundary:
            return winners, min(boundary, first.start)
        winners += chosen
        free = chosen[-1].end
        index = stop
    return winners, boundary


def _component(ordered: Sequence[Candidate], index: int) -> tuple[int, int]:
    """Return where the component that begins at ``index`` ends, and up to where starts decide about it."""
    limit = ordered[index].start + SPAN
    reach = ordered[index].end
    stop = index + 1
    while stop < len(ordered) and ordered[stop].start < min(reach, limit):
        reach = max(reach, ordered[stop].end)
        stop += 1
    return stop, min(reach, limit)


def _winners(group: Sequence[Candidate]) -> list[Candidate]:
    """Return those of a component that do not overlap a stronger winner, by start."""
    chosen: list[Candidate] = []
    starts: list[int] = []
    for candidate in sorted(group, key=_strength(group)):
        at = bisect(starts, candidate.start)
        free_before = at == 0 or chosen[at - 1].end <= candidate.start
        free_after = at == len(chosen) or candidate.end <= chosen[at].start
        if free_before and free_after:
            starts.insert(at, candidate.start)
            chosen.insert(at, candidate)
    return chosen


def _strength(group: Sequence[Candidate]) -> Callable[[Candidate], tuple[int, int, int, str, float]]:
    def rank(candidate: Candidate) -> int:
        return RANK.get(candidate.entity_type, 0)

    def held(candidate: Candidate) -> int:
        if len(group) > MANY:
            return rank(candidate)
        return max(
            rank(other) for other in group if candidate.start <= other.start and other.end <= candidate.end
        )

    return lambda one: (-held(one), one.start - one.end, one.start, one.entity_type, -one.score)
