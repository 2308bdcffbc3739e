"""The same findings from pieces: feed text as it comes, get what is settled (DESIGN §2).

Everything up to a boundary is settled once no text that may follow can begin or change a
candidate before it: the least ``open_at`` of the recognizers. The boundary is moved in
front of the first component of candidates that it cuts. So the law holds: for every way of
cutting, the settled texts and findings, put together, are those of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

from guard.domain.finding import Finding
from guard.screening.engine import Screener
from guard.screening.normalise import NormalView, normalise
from guard.screening.overlap import settle
from guard.screening.view import LEFT

__all__ = ["Incremental", "Settled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Text that may go on, and its findings with offsets into it."""

    text: str
    findings: tuple[Finding, ...]


NOTHING = Settled(text="", findings=())


class Incremental:
    """Screens one channel of an answer piece by piece."""

    def __init__(self, screener: Screener) -> None:
        self._screener = screener
        self._text = ""
        self._sent = 0
        """``_text[:_sent]`` is settled and kept only as context."""

    @property
    def held(self) -> int:
        """How many code points wait to be settled."""
        return len(self._text) - self._sent

    def feed(self, chunk: str) -> Settled:
        """Take more text; return what is settled by it. Raises ``ScreeningFailed``."""
        if not chunk:
            return NOTHING
        self._text += chunk
        view = normalise(self._text)
        sent = view.view_index(self._sent)
        boundary = self._screener.open_at(view.text)
        if boundary <= sent:
            return NOTHING
        return self._settle(view, sent, boundary, final=False)

    def close(self, chunk: str = "") -> Settled:
        """Take the last of the text, return the rest. Raises ``ScreeningFailed``."""
        self._text += chunk
        view = normalise(self._text)
        return self._settle(view, view.view_index(self._sent), len(view.text), final=True)

    def _settle(self, view: NormalView, sent: int, boundary: int, *, final: bool) -> Settled:
        # Candidates that cross the boundary must be seen, so the scan goes to the end.
        candidates = self._screener.candidates(view.text, sent)
        winners, settled = settle(candidates, None if final else boundary)
        boundary = boundary if settled is None else settled
        if boundary <= sent and not final:
            return NOTHING
        end = len(self._text) if boundary == len(view.text) else view.index(boundary)
        findings = []
        for candidate in winners:
            start, stop = view.original(candidate.start, candidate.end)
            findings.append(
                Finding(
                    entity_type=candidate.entity_type,
                    start=start - self._sent,
                    end=stop - self._sent,
                    score=candidate.score,
                    recognizer=candidate.recognizer,
                )
            )
        text = self._text[self._sent : end]
        self._sent = end
        self._forget(view, boundary)
        return Settled(text=text, findings=tuple(findings))

    def _forget(self, view: NormalView, boundary: int) -> None:
        """Drop what is too far left to matter."""
        if boundary > LEFT * 4:
            cut = view.index(boundary - LEFT * 2)
            self._text = self._text[cut:]
            self._sent -= cut
