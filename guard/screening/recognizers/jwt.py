"""JSON web tokens (RFC 7519): signed, encrypted, or cut short."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from guard.screening.tail import Tail, trailing
from guard.screening.view import MAX_ANNOUNCED, Candidate, View

__all__ = ["Jwt"]

SEGMENT = r"[A-Za-z0-9_\-]"
MORE = rf"\.{SEGMENT}{{1,8192}}\.{SEGMENT}{{1,8192}}"
TOKEN = re.compile(
    rf"eyJ{SEGMENT}{{8,1000}}(?:\.{SEGMENT}{{4,8192}}(?:\.{SEGMENT}{{0,8192}}(?:{MORE})?)?"
    rf"|\.\.{SEGMENT}{{4,8192}}(?:{MORE})?)"
)
LETTERS = re.compile(r"[A-Za-z0-9_\-.]{0,8192}")


class Jwt:
    """``header.payload.signature`` whose header is base64url of JSON that names an algorithm."""

    name = "jwt"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield tokens, also cut short, and encrypted ones with their five segments."""
        for start in view.occurrences("eyJ"):
            if view.word_at(start - 1):
                continue
            found = TOKEN.match(view.text, start, start + MAX_ANNOUNCED)
            if found is None or not self._header(found.group().partition(".")[0]):
                continue
            yield Candidate(entity_type="JWT", start=start, end=found.end(), score=0.98, recognizer=self.name)

    def open_at(self, tail: Tail) -> int:
        """Return where a token begins that has not ended."""
        begun = tail.text.find("eyJ", trailing(LETTERS, tail.text, MAX_ANNOUNCED))
        return min(tail.run, begun) if begun >= 0 else tail.run

    @staticmethod
    def _header(segment: str) -> bool:
        try:
            decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        except (binascii.Error, ValueError):
            return False
        return b'"alg"' in decoded
