"""Private keys in PEM (RFC 7468), also with escaped line ends, cut short, or wrapped in base64."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from guard.screening.tail import Tail, trailing
from guard.screening.view import MAX_ANNOUNCED, Candidate, View

__all__ = ["PrivateKey"]

MARK = "-----BEGIN "
WRAPPED = "LS0tLS1CRUdJTi"
"""The mark in base64."""

BASE64 = re.compile(r"[A-Za-z0-9+/=]{0,8192}")
SHOWN = 96
BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
BEGINNING = re.compile(r"-----BEGIN [A-Z0-9 ]{0,64}-{0,5}")
BODY = re.compile(r"[A-Za-z0-9+/=\s\\:,.()\-]{0,8192}")
END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
CHUNK = re.compile(r"[A-Za-z0-9+/=]{16,8192}")
LEAST = 16
BETWEEN = 120
"""In a block without its end, the next line of it stands at most so far behind the last."""


class PrivateKey:
    """PEM blocks, whole or cut short; line ends may be written as escapes."""

    name = "private_key"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield blocks that have a body."""
        for start in view.occurrences(MARK):
            header = BEGIN.match(view.text, start)
            if header is None:
                continue
            end = self._end(view.text, start, header.end())
            if end - header.end() >= LEAST:
                yield self._candidate(start, end)
        for start in view.occurrences(WRAPPED):
            wrapped = BASE64.match(view.text, start)
            if wrapped is not None and not view.word_at(start - 1) and _wraps(wrapped.group()):
                yield self._candidate(start, wrapped.end())

    def open_at(self, tail: Tail) -> int:
        """Return where a block begins that has not ended."""
        wrapped = tail.text.find(WRAPPED, trailing(BASE64, tail.text, MAX_ANNOUNCED))
        plain = self._open_block(tail.text)
        return min(tail.run, plain, *([wrapped] if wrapped >= 0 else []))

    def _candidate(self, start: int, end: int) -> Candidate:
        return Candidate(entity_type="PRIVATE_KEY", start=start, end=end, score=0.99, recognizer=self.name)

    @staticmethod
    def _open_block(text: str) -> int:
        start = text.rfind(MARK, max(0, len(text) - MAX_ANNOUNCED))
        if start < 0:
            return len(text)
        header = BEGIN.match(text, start)
        if header is None:
            beginning = BEGINNING.match(text, start)
            growing = beginning is not None and beginning.end() == len(text)
        else:
            body = BODY.match(text, header.end(), start + MAX_ANNOUNCED)
            reaches = body is not None and body.end() == len(text)
            growing = reaches and END.search(text, header.end()) is None
        return start if growing else len(text)

    @staticmethod
    def _end(text: str, start: int, body_start: int) -> int:
        """Return the end of the block, or of its last line if it is cut short."""
        following = text.find(MARK, body_start, start + MAX_ANNOUNCED)
        body = BODY.match(text, body_start, following if following >= 0 else start + MAX_ANNOUNCED)
        limit = body.end() if body else body_start
        ending = END.search(text, body_start, limit)
        if ending:
            return ending.end()
        end = body_start
        for chunk in CHUNK.finditer(text, body_start, limit):
            if chunk.start() - end > BETWEEN:
                break
            end = chunk.end()
        return end


def _wraps(encoded: str) -> bool:
    """Whether base64 text begins with the header of a private key."""
    shown = encoded[:SHOWN].rstrip("=")
    try:
        return b"PRIVATE KEY" in base64.b64decode(shown[: len(shown) // 4 * 4])
    except (binascii.Error, ValueError):
        return False
