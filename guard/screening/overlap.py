"""From overlapping candidates to findings that do not overlap, the same for every window.

Candidates that touch each other form components. Inside a component the strongest type
wins, then the longest, then the leftmost; what overlaps a winner is dropped. Nothing
outside a component has a say in it, so a text may be cut between components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from guard.screening.view import Candidate

__all__ = ["components", "resolve"]

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


def components(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Yield groups of candidates that overlap, directly or through others, by start."""
    group: list[Candidate] = []
    reach = -1
    for candidate in sorted(candidates, key=lambda c: (c.start, c.end)):
        if group and candidate.start >= reach:
            yield group
            group = []
        group.append(candidate)
        reach = max(reach, candidate.end) if len(group) > 1 else candidate.end
    if group:
        yield group


def _strength(candidate: Candidate) -> tuple[int, int, int, str]:
    rank = RANK.get(candidate.entity_type, 0)
    return -rank, candidate.start - candidate.end, candidate.start, candidate.entity_type


def resolve(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return the winners, by start."""
    winners: list[Candidate] = []
    for group in components(candidates):
        if len(group) == 1:
            winners += group
            continue
        chosen: list[Candidate] = []
        for candidate in sorted(group, key=_strength):
            if all(candidate.end <= other.start or other.end <= candidate.start for other in chosen):
                chosen.append(candidate)
        winners += sorted(chosen, key=lambda c: c.start)
    return winners
