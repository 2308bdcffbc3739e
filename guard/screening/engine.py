"""A text in, findings out: normalise, let every recognizer look, resolve overlaps.

Long texts are looked at in windows, so that a caller can let others run in between. A
text with more candidates than the cap is refused, never screened in part; so is one on
which a recognizer breaks.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Final

from guard.domain.entities import CATALOGUE, tokens_in
from guard.domain.finding import Finding
from guard.domain.json_escapes import decode
from guard.errors import ScreeningFailed
from guard.screening.normalise import normalise
from guard.screening.overlap import settle
from guard.screening.recognizers.address import IpAddress, MacAddress
from guard.screening.recognizers.card import Card
from guard.screening.recognizers.context_secret import STEMS, ContextSecret
from guard.screening.recognizers.email import Email
from guard.screening.recognizers.iban import Iban
from guard.screening.recognizers.jwt import Jwt
from guard.screening.recognizers.keys import ProviderKey
from guard.screening.recognizers.national import CnResidentId, UsSsn
from guard.screening.recognizers.phone import CnMobile, Phone
from guard.screening.recognizers.private_key import PrivateKey
from guard.screening.recognizers.url import UrlCredentials
from guard.screening.tail import Tail
from guard.screening.view import LEFT, MAX_ANNOUNCED, MAX_UNBROKEN, RIGHT, Candidate, Recognizer, View

__all__ = ["MAX_CANDIDATES", "RECOGNIZERS", "WINDOW", "Screener", "compile_screener"]

WINDOW: Final = 2048
MAX_CANDIDATES: Final = 20_000
SHAPE_AFTER = "@guard.invalid"
ANNOUNCING = ("eyJ", "-----BEGIN", "LS0tLS1CRUdJTi")
UNBROKEN = re.compile(r"[!-~]{320}")

RECOGNIZERS: tuple[Recognizer, ...] = (
    Email(),
    Card(),
    Iban(),
    IpAddress(),
    MacAddress(),
    UrlCredentials(),
    UsSsn(),
    CnResidentId(),
    Phone(),
    CnMobile(),
    ProviderKey(),
    Jwt(),
    PrivateKey(),
    ContextSecret(),
)


class Screener:
    """Immutable; shared by all requests of a snapshot. ``thresholds``: the least score by type."""

    def __init__(
        self, thresholds: Mapping[str, float], recognizers: Sequence[Recognizer] = RECOGNIZERS
    ) -> None:
        self._thresholds = thresholds
        self._recognizers = tuple(recognizers)

    def screen(self, text: str, *, json_text: bool = False) -> tuple[Finding, ...]:
        """Return the findings of ``text``, by start. ``json_text``: it is JSON source.

        Raises ``ScreeningFailed``.
        """
        steps = self.screen_steps(text, json_text=json_text)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                found: tuple[Finding, ...] = done.value
                return found

    def screen_steps(
        self, text: str, *, json_text: bool = False
    ) -> Generator[None, None, tuple[Finding, ...]]:
        """Do the same, yielding after each window of a long text."""
        source = decode(text) if json_text and "\\" in text else None
        view = normalise(source.text if source else text)
        findings: list[Finding] = []
        waiting: list[Candidate] = []
        for number, more in enumerate(self._windows(view.text, 0), start=1):
            last = number * WINDOW >= len(view.text)
            winners, settled = settle([*waiting, *more], None if last else number * WINDOW)
            waiting = [one for one in (*waiting, *more) if settled is not None and one.start >= settled]
            for candidate in winners:
                start, end = view.original(candidate.start, candidate.end)
                findings.append(_finding(candidate, *(source.source(start, end) if source else (start, end))))
            if not last:
                yield
        return tuple(findings)

    def candidates(self, text: str, start: int) -> list[Candidate]:
        """Return the candidates of a view that begin at ``start`` or later. Raises ``ScreeningFailed``."""
        return [candidate for window in self._windows(text, start) for candidate in window]

    def open_at(self, text: str) -> int:
        """Return the least index of a view from which text that follows may change candidates."""
        tail = Tail(text)
        # What follows a backslash decides whether the two are a line end.
        known = len(text) - text.endswith("\\")
        return min(known, *(recognizer.open_at(tail) for recognizer in self._recognizers))

    def _windows(self, text: str, first: int) -> Iterator[list[Candidate]]:
        count = 0
        for start in range(first, len(text), WINDOW):
            found = self._window(text, start, min(start + WINDOW, len(text)))
            count += len(found)
            if count > MAX_CANDIDATES:
                raise ScreeningFailed(
                    f"a text holds over {MAX_CANDIDATES} candidates for personal data; send less at once",
                    code="too_many_candidates",
                )
            yield found

    def _window(self, text: str, start: int, stop: int) -> list[Candidate]:
        """Return the candidates that begin in ``[start, stop)``.

        Looks only ``LEFT`` before the range and as far after it as a candidate can reach.
        """
        low = max(0, start - LEFT)
        high = stop + RIGHT
        if high < len(text):
            high += _longer(text, low, stop, high)
        view = View(text if low == 0 and high >= len(text) else text[low:high])
        surrogates = _surrogates(view.text)
        found: list[Candidate] = []
        for candidate in self._seen(view):
            if not start - low <= candidate.start < stop - low:
                continue
            if candidate.score < self._thresholds[candidate.entity_type]:
                continue
            if not (surrogates and _inside(candidate, surrogates)):
                found.append(_shifted(candidate, low))
        return found

    def _seen(self, view: View) -> list[Candidate]:
        """Return what every recognizer sees. Raises ``ScreeningFailed`` if one breaks."""
        seen: list[Candidate] = []
        for recognizer in self._recognizers:
            try:
                seen += recognizer.find(view)
            except Exception as error:  # noqa: BLE001 (whatever breaks, the text was not screened)
                # The cause may quote the text, so only its type is passed on.
                raise ScreeningFailed(
                    f"the recognizer {recognizer.name} broke with {type(error).__name__}",
                    code="recognizer_broke",
                ) from None
        return seen


def _longer(text: str, low: int, stop: int, high: int) -> int:
    """Return how much longer than usual a candidate may be that begins in a window."""
    if any(text.find(anchor, low, high) >= 0 for anchor in ANNOUNCING):
        return MAX_ANNOUNCED
    if UNBROKEN.match(text, stop, high) is None:
        return 0
    lower = text[low:stop].lower()
    return MAX_UNBROKEN if any(stem in lower for stem in STEMS) else 0


def _surrogates(text: str) -> list[tuple[int, int]]:
    """Return the spans of surrogates, each with its shape, by start."""
    return [
        (start, end + len(SHAPE_AFTER) if text.startswith(SHAPE_AFTER, end) else end)
        for start, end in (found.span() for found in tokens_in(text))
    ]


def _inside(candidate: Candidate, surrogates: Sequence[tuple[int, int]]) -> bool:
    """Whether a candidate is one of our surrogates, bare or in its shape, or a piece of one."""
    at = bisect(surrogates, candidate.start, key=lambda span: span[0]) - 1
    return at >= 0 and candidate.end <= surrogates[at][1]


def _shifted(candidate: Candidate, by: int) -> Candidate:
    if by == 0:
        return candidate
    return Candidate(
        entity_type=candidate.entity_type,
        start=candidate.start + by,
        end=candidate.end + by,
        score=candidate.score,
        recognizer=candidate.recognizer,
    )


def _finding(candidate: Candidate, start: int, end: int) -> Finding:
    return Finding(
        entity_type=candidate.entity_type,
        start=start,
        end=end,
        score=candidate.score,
        recognizer=candidate.recognizer,
    )


def compile_screener(thresholds: Mapping[str, float] | None = None) -> Screener:
    """Return a screener; ``thresholds`` replace the catalogue's by type."""
    shipped = {name: row.threshold for name, row in CATALOGUE.items()}
    return Screener({**shipped, **(thresholds or {})})
