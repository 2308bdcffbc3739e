"""Payment cards: brand ranges and lengths (ISO/IEC 7812), Luhn, plausible grouping."""

from __future__ import annotations

from collections.abc import Iterator

from guard.screening.checksum import luhn_valid
from guard.screening.view import Candidate, View

__all__ = ["Card"]

BRANDS: tuple[tuple[int, int, int, frozenset[int]], ...] = (
    (4, 4, 1, frozenset({13, 16, 19})),
    (51, 55, 2, frozenset({16})),
    (2221, 2720, 4, frozenset({16})),
    (34, 34, 2, frozenset({15})),
    (37, 37, 2, frozenset({15})),
    (6011, 6011, 4, frozenset({16, 19})),
    (644, 659, 3, frozenset({16, 19})),
    (3528, 3589, 4, frozenset({16, 19})),
    (300, 305, 3, frozenset({14})),
    (36, 36, 2, frozenset({14, 16, 19})),
    (38, 39, 2, frozenset({14, 16})),
    (62, 62, 2, frozenset({16, 17, 18, 19})),
    (50, 50, 2, frozenset(range(12, 20))),
    (56, 58, 2, frozenset(range(12, 20))),
    (67, 67, 2, frozenset(range(12, 20))),
    (63, 63, 2, frozenset(range(12, 20))),
)
"""First digits from, to, how many of them, and the lengths."""

LONG = 19
SHORT = 12
WEAK = frozenset({12, 13, 14, 17, 18, 19})
"""Lengths that many other numbers have: without groups they want a word of context."""

WORDS = (
    "card",
    "visa",
    "master",
    "amex",
    "credit",
    "debit",
    "pan",
    "卡",
    "payment",
    "cc ",
    "maestro",
    "diners",
)
TEST = frozenset(
    "4111111111111111 4242424242424242 4012888888881881 4000056655665556 4222222222222 5555555555554444"
    " 5105105105105100 2223003122003222 5200828282828210 378282246310005 371449635398431 378734493671000"
    " 6011111111111117 6011000990139424 3056930009020004 30569309025904 38520000023237 3530111333300000"
    " 3566002020360505 6200000000000005 4000000000000002 4917610000000000 6304000000000000".split()
)
"""Numbers that processors publish for tests: they belong to nobody."""


def _brand(digits: str) -> bool:
    return any(
        low <= int(digits[:width]) <= high and len(digits) in lengths for low, high, width, lengths in BRANDS
    )


class Card:
    """Digit groups with one kind of separator, 12 to 19 digits, a brand and a check digit."""

    name = "card"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield card numbers; published test numbers have a type of their own."""
        for first, (start, _) in enumerate(view.groups):
            if self._glued(view, start):
                continue
            for end, digits in view.sequences(first, digits=LONG):
                if len(digits) < SHORT or self._glued_end(view, end) or not _brand(digits):
                    continue
                score = self._score(view, start, end, digits)
                if score is not None:
                    kind = "CREDIT_CARD_TEST" if digits in TEST else "CREDIT_CARD"
                    yield Candidate(entity_type=kind, start=start, end=end, score=score, recognizer=self.name)

    @staticmethod
    def _glued(view: View, start: int) -> bool:
        before = view.char(start - 1)
        return (before.isascii() and (before.isalnum() or before in ("_", "+"))) or (
            before in (".", ",", "-", "/") and view.word_at(start - 2)
        )

    @staticmethod
    def _glued_end(view: View, end: int) -> bool:
        after = view.char(end)
        return (after.isascii() and (after.isalnum() or after == "_")) or (
            after in (".", ",", "-", "/") and view.word_at(end + 1)
        )

    @staticmethod
    def _score(view: View, start: int, end: int, digits: str) -> float | None:
        separators = {c for c in view.text[start:end] if not c.isdigit()}
        if len(separators) > 1 or separators & set("()/.") or not luhn_valid(digits):
            return None
        if len(set(digits)) == 1:
            return None
        if separators:
            sizes = [len(group) for group in view.text[start:end].split(separators.pop())]
            if 0 in sizes or max(sizes) > 7 or min(sizes[:-1]) < 4:  # noqa: PLR2004 (4-4-4-4, 4-6-5, 6-13 and the like)
                return None
            return 0.95
        context = any(word in view.before(start) for word in WORDS)
        if len(digits) in WEAK:
            return 0.85 if context else None
        return 0.95 if context else 0.85
