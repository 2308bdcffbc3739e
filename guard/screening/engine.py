"""A text in, findings out: normalise, let every recognizer look, resolve overlaps.

Long texts are looked at in windows, so that a caller can let others run in between. A
text with more candidates than the cap is refused, never screened in part.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final

from guard.domain.entities import CATALOGUE, TOKEN
from guard.domain.finding import Finding
from guard.domain.json_escapes import decode
from guard.errors import ScreeningFailed
from guard.screening.normalise import normalise
from guard.screening.overlap import resolve
from guard.screening.recognizers.address import IpAddress, MacAddress
from guard.screening.recognizers.card import Card
from guard.screening.recognizers.context_secret import ContextSecret
from guard.screening.recognizers.email import Email
from guard.screening.recognizers.iban import Iban
from guard.screening.recognizers.keys import Jwt, PrivateKey, ProviderKey
from guard.screening.recognizers.national import CnResidentId, UsSsn
from guard.screening.recognizers.phone import CnMobile, Phone
from guard.screening.recognizers.url import UrlCredentials
from guard.screening.view import LEFT, MAX_ANNOUNCED, RIGHT, Candidate, Recognizer, View

__all__ = ["RECOGNIZERS", "Screener", "compile_screener"]

WINDOW: Final = 2048
MAX_CANDIDATES: Final = 20_000
SHAPE_AFTER = "@guard.invalid"

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

    def __init__(self, thresholds: Mapping[str, float]) -> None:
        self._thresholds = thresholds

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
        if json_text and "\\" in text:
            source = decode(text)
            findings = yield from self._steps(source.text)
            return tuple(_moved(finding, *source.source(finding.start, finding.end)) for finding in findings)
        return (yield from self._steps(text))

    def _steps(self, text: str) -> Generator[None, None, tuple[Finding, ...]]:
        view = normalise(text)
        candidates: list[Candidate] = []
        for start in range(0, len(view.text), WINDOW):
            stop = min(start + WINDOW, len(view.text))
            candidates += self.candidates(view.text, start, stop)
            if len(candidates) > MAX_CANDIDATES:
                raise ScreeningFailed(
                    f"a text holds over {MAX_CANDIDATES} candidates for personal data; send less at once",
                    code="too_many_candidates",
                )
            if stop < len(view.text):
                yield
        return tuple(
            _finding(candidate, *view.original(candidate.start, candidate.end))
            for candidate in resolve(candidates)
        )

    def candidates(self, text: str, start: int, stop: int) -> list[Candidate]:
        """Return the candidates of a view that begin in ``[start, stop)``.

        Looks only ``LEFT`` before the range and as far after it as a candidate can reach.
        """
        low = max(0, start - LEFT)
        high = stop + RIGHT
        if high < len(text) and ("eyJ" in text[low:high] or "-----BEGIN" in text[low:high]):
            high += MAX_ANNOUNCED
        part = View(text if low == 0 and high >= len(text) else text[low:high])
        shift = start - low
        length = stop - start
        surrogates = [found.span() for found in TOKEN.finditer(part.text)] if "X" in part.text.upper() else []
        found: list[Candidate] = []
        for recognizer in RECOGNIZERS:
            for candidate in recognizer.find(part):
                if not 0 <= candidate.start - shift < length:
                    continue
                if candidate.score < self._thresholds[candidate.entity_type]:
                    continue
                if surrogates and _inside(part.text, candidate, surrogates):
                    continue
                found.append(_shifted(candidate, low))
        return found


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


def _inside(text: str, candidate: Candidate, surrogates: list[tuple[int, int]]) -> bool:
    """Whether a candidate is one of our surrogates, bare or in its shape, or a piece of one."""
    for start, end in surrogates:
        shaped = end + len(SHAPE_AFTER) if text.startswith(SHAPE_AFTER, end) else end
        if start <= candidate.start and candidate.end <= shaped:
            return True
    return False


def _finding(candidate: Candidate, start: int, end: int) -> Finding:
    return Finding(
        entity_type=candidate.entity_type,
        start=start,
        end=end,
        score=candidate.score,
        recognizer=candidate.recognizer,
    )


def _moved(finding: Finding, start: int, end: int) -> Finding:
    return Finding(
        entity_type=finding.entity_type,
        start=start,
        end=end,
        score=finding.score,
        recognizer=finding.recognizer,
    )


def compile_screener(thresholds: Mapping[str, float] | None = None) -> Screener:
    """Return a screener; ``thresholds`` replace the catalogue's by type."""
    shipped = {name: row.threshold for name, row in CATALOGUE.items()}
    return Screener({**shipped, **(thresholds or {})})
