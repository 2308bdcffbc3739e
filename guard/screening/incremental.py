"""The same findings from pieces: feed text as it comes, get what is settled (DESIGN §2).

Everything up to a boundary is settled once no text that may follow can begin or change a
candidate before it. What can still change is *open*: the last run without a space (an
address may be growing), the last run of digits and separators, a beginning IBAN, JWT or
private key. The boundary is moved in front of any component of candidates that crosses
it. So the law holds: for every way of cutting, the settled texts and findings, put
together, are those of the whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from guard.domain.finding import Finding
from guard.screening.engine import Screener
from guard.screening.normalise import NormalView, normalise
from guard.screening.overlap import components, resolve
from guard.screening.view import LEFT, MAX_ANNOUNCED, RIGHT

__all__ = ["Incremental", "Settled"]

RUN = re.compile(r"[^\s\u2e80-\U0010ffff]*\Z")
DIGIT_RUN = re.compile(r"[+(]*[0-9][0-9 \-.()/]*\Z")
DIGIT_REACH = 96
IBAN_RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}[A-Za-z0-9 \-]*\Z")
IBAN_REACH = 80
JWT_RUN = re.compile(r"eyJ[A-Za-z0-9_\-.]*\Z")
PEM_START = re.compile(r"-----BEGIN ")
PEM_RUN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}(?:-{0,5}\Z|-----[A-Za-z0-9+/=\s\\:,.()\-]*\Z)")
PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")


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

    def feed(self, chunk: str) -> Settled:
        """Take more text; return what is settled by it."""
        if not chunk:
            return NOTHING
        self._text += chunk
        view = normalise(self._text)
        sent = view.view_index(self._sent)
        boundary = _boundary(view.text)
        if boundary <= sent:
            return NOTHING
        return self._settle(view, sent, boundary, final=False)

    def close(self) -> Settled:
        """Return the rest."""
        view = normalise(self._text)
        return self._settle(view, view.view_index(self._sent), len(view.text), final=True)

    def _settle(self, view: NormalView, sent: int, boundary: int, *, final: bool) -> Settled:
        # Candidates that cross the boundary must be seen, so the scan goes to the end.
        candidates = self._screener.candidates(view.text, sent, len(view.text))
        kept = []
        for group in components(candidates):
            if group[0].start >= boundary:
                break
            if max(candidate.end for candidate in group) > boundary:
                boundary = group[0].start
                break
            kept += group
        if boundary <= sent and not final:
            return NOTHING
        end = len(self._text) if boundary == len(view.text) else view.index(boundary)
        findings = []
        for candidate in resolve(kept):
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


def _boundary(text: str) -> int:
    """Return where the open end of a view begins."""
    end = len(text)
    run = RUN.search(text, max(0, end - RIGHT))
    boundary = run.start() if run else end
    for pattern, reach in ((DIGIT_RUN, DIGIT_REACH), (IBAN_RUN, IBAN_REACH), (JWT_RUN, MAX_ANNOUNCED)):
        found = pattern.search(text, max(0, end - reach))
        if found is not None:
            boundary = min(boundary, found.start())
    return min(boundary, _open_block(text))


def _open_block(text: str) -> int:
    """Return where a private key begins that has not ended yet, or the end of the text."""
    for begun in PEM_START.finditer(text, max(0, len(text) - MAX_ANNOUNCED)):
        if PEM_RUN.match(text, begun.start()) and not PEM_END.search(text, begun.start()):
            return begun.start()
    return len(text)
