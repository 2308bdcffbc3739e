"""E-mail addresses (RFC 5321 lengths; the unquoted local part of RFC 5322)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.view import Candidate, View

__all__ = ["Email"]

LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+-/=?^_{|}~")
LOCAL_MAX = 64
DOMAIN_MAX = 190
DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}(?:[A-Za-z]{2,24}|xn--[A-Za-z0-9-]{2,40})"
)
EXAMPLE = re.compile(
    r"(?:^|\.)(?:example(?:\.[a-z]{2,3}){0,2}|[a-z0-9-]+\.(?:test|example|invalid|localhost))$"
)
NOT_DOMAINS = frozenset(
    "py js ts rb go rs md txt png jpg jpeg gif svg pdf json yaml yml toml xml html css sh cpp java"
    " class".split()
)
"""Endings of file names, which stand after an @ in retina images, packages and logs."""


class Email:
    """Anchored at ``@``: the local part to the left, a plausible domain to the right."""

    name = "email"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield e-mail addresses; those at example domains have a type of their own."""
        if "@" not in view.text:
            return
        for at in view.occurrences("@"):
            start = self._local_start(view.text, at)
            found = DOMAIN.match(view.text, at + 1, at + 1 + DOMAIN_MAX)
            if start is None or found is None:
                continue
            end = found.end()
            # The longest domain may have swallowed a word that only follows: "a@b.com-x".
            if view.word_at(end) or view.char(end) in ("@", "-", "_"):
                continue
            domain = found.group().lower()
            if domain.rpartition(".")[2] in NOT_DOMAINS or domain.endswith("guard.invalid"):
                continue
            kind = "EMAIL_ADDRESS_EXAMPLE" if EXAMPLE.search(domain) else "EMAIL_ADDRESS"
            yield Candidate(entity_type=kind, start=start, end=end, score=0.95, recognizer=self.name)

    @staticmethod
    def _local_start(text: str, at: int) -> int | None:
        start = at
        while start > 0 and at - start < LOCAL_MAX and text[start - 1] in LOCAL:
            start -= 1
        # Punctuation that opens a quotation, a path or an assignment is not the person's name.
        while start < at and not (text[start].isascii() and text[start].isalnum()) and text[start] != "_":
            start += 1
        for opener in ("=", "/", "'", "{", "|"):
            cut = text.rfind(opener, start, at)
            if cut >= 0:
                start = cut + 1
        if start >= at or text[at - 1] == ".":
            return None
        return start
