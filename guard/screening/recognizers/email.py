"""E-mail addresses: RFC 5321 lengths, unquoted local parts, also of RFC 6531 (letters beyond ASCII)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["Email"]

LETTERS = "À-ÖØ-öø-ɏ\u0300-ͯΑ-ϿЀ-ԯḀ-ỿ"
"""Latin, Greek and Cyrillic beyond ASCII. Other scripts do not separate words, so they are borders."""

LOCAL = re.compile(rf"[A-Za-z0-9.!#$%&'*+\-/=?^_{{|}}~{LETTERS}]{{0,64}}")
LOCAL_MAX = 64
DOMAIN_MAX = 190
LABEL = rf"[A-Za-z0-9{LETTERS}]"
DOMAIN = re.compile(
    rf"(?:{LABEL}(?:[A-Za-z0-9{LETTERS}-]{{0,61}}{LABEL})?[.\u3002\uff61]){{1,8}}"
    rf"(?:xn--[A-Za-z0-9-]{{2,40}}|[A-Za-z{LETTERS}]{{2,24}})"
)
RESERVED = frozenset({"test", "example", "invalid", "localhost"})
EXAMPLE_SUFFIX = 3
NOT_DOMAINS = frozenset(
    "js mjs cjs jsx ts tsx vue rb go php java class jar cpp css scss html htm xml json yaml yml toml ini cfg"
    " conf lock log sql csv txt pdf docx xlsx pptx png jpg jpeg gif svg webp ico exe dll tar gz bak".split()
)
"""Endings of file names that are no top-level domains; they follow an @ in retina images and packages."""

OPENERS = "=/{|"
NAMES_WITH_QUOTE = frozenset("dlomDLOM")
"""What stands before the quotation mark in D'Arcy, L'Amour, O'Brien, M'Bow."""


class Email:
    """Anchored at ``@``: the local part to the left, a plausible domain to the right."""

    name = "email"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield e-mail addresses; those at example domains have a type of their own."""
        if "@" not in view.text:
            return
        for at in view.occurrences("@"):
            found = DOMAIN.match(view.text, at + 1, at + 1 + DOMAIN_MAX)
            if found is None or view.word_at(found.end()):
                continue
            start = self._local_start(view.text, at)
            if start is None or _password(view.text, start):
                continue
            labels = re.split("[.\u3002\uff61]", found.group().lower())
            if labels[-1] in NOT_DOMAINS or labels[-2:] == ["guard", "invalid"]:
                continue
            kind = "EMAIL_ADDRESS_EXAMPLE" if _example(labels) else "EMAIL_ADDRESS"
            yield Candidate(entity_type=kind, start=start, end=found.end(), score=0.95, recognizer=self.name)

    def open_at(self, tail: Tail) -> int:
        """Return where the last run without a space begins."""
        return tail.run

    @staticmethod
    def _local_start(text: str, at: int) -> int | None:
        run = LOCAL.match(text[max(0, at - LOCAL_MAX) : at][::-1])
        start = at - (run.end() if run else 0)
        for opener in OPENERS:
            start = max(start, text.rfind(opener, start, at) + 1)
        quote = text.rfind("'", start, at)
        if quote >= 0 and text[quote - 1 : quote] not in NAMES_WITH_QUOTE:
            start = quote + 1
        # Punctuation that opens a quotation or a list is not the person's name.
        while start < at and not (text[start].isalnum() or text[start] == "_"):
            start += 1
        return None if start >= at or text[at - 1] == "." else start


def _password(text: str, start: int) -> bool:
    """Whether what begins at ``start`` is the password of a URL (``scheme://user:password@host``)."""
    scheme = text.rfind("://", max(0, start - LOCAL_MAX), start) if text[start - 1 : start] == ":" else -1
    return scheme >= 0 and not any(mark in text[scheme + 3 : start] for mark in (*" \n\t/?#", "://"))


def _example(labels: list[str]) -> bool:
    """Whether a domain is reserved for examples (RFC 2606), or named ``example`` under any country."""
    if labels[-1] in RESERVED:
        return True
    suffix = labels[-2:] if len(labels) > 2 and labels[-3] == "example" else labels[-1:]  # noqa: PLR2004 (co.uk)
    return labels[-len(suffix) - 1] == "example" and all(len(part) <= EXAMPLE_SUFFIX for part in suffix)
