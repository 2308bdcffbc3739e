"""Payment cards: brand ranges and lengths (ISO/IEC 7812), Luhn, plausible grouping."""

from __future__ import annotations

from collections.abc import Iterator

from guard.screening.checksum import luhn_valid
from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["Card"]

BRANDS: tuple[tuple[int, int, frozenset[int]], ...] = (
    (4, 4, frozenset({13, 16, 19})),
    (51, 55, frozenset({16})),
    (2221, 2720, frozenset({16})),
    (34, 34, frozenset({15})),
    (37, 37, frozenset({15})),
    (6011, 6011, frozenset({16, 19})),
    (644, 659, frozenset({16, 19})),
    (3528, 3589, frozenset({16, 19})),
    (2131, 2131, frozenset({15})),
    (1800, 1800, frozenset({15})),
    (300, 305, frozenset({14, 16, 19})),
    (36, 36, frozenset({14, 16, 19})),
    (38, 39, frozenset({14, 16})),
    (62, 62, frozenset({16, 17, 18, 19})),
    (50, 50, frozenset(range(12, 20))),
    (56, 58, frozenset(range(12, 20))),
    (67, 67, frozenset(range(12, 20))),
    (63, 63, frozenset(range(12, 20))),
)
"""First digits from, to, and the lengths."""

LONG = 19
SHORT = 12
FIRST_GROUP = 4
LAST_GROUP = 7
WEAK = frozenset({12, 13, 14, 17, 18, 19})
"""Lengths that many other numbers have: without groups they want a word of context."""

GROUPED_WITH_DOTS = frozenset({(4, 4, 4, 4), (4, 6, 5)})
"""Dots stand in many other numbers, so with them only the usual grouping counts."""

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


LENGTHS = {str(prefix): lengths for low, high, lengths in BRANDS for prefix in range(low, high + 1)}
"""The lengths by the first one to four digits."""


def _brand(digits: str) -> bool:
    return any(len(digits) in LENGTHS.get(digits[:width], ()) for width in range(1, FIRST_GROUP + 1))


class Card:
    """Digit groups with one kind of separator, 12 to 19 digits, a brand and a check digit."""

    name = "card"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield card numbers; published test numbers have a type of their own."""
        for first, (start, stop) in enumerate(view.groups):
            # Every brand begins with 1 to 6, every grouping with four digits or more.
            if not FIRST_GROUP <= stop - start <= LONG or not "1" <= view.text[start] <= "6":
                continue
            if not view.number_begins(start):
                continue
            for end, digits in view.sequences(first, digits=LONG):
                if len(digits) < SHORT or not _ends(view, end) or not _brand(digits):
                    continue
                score = self._score(view, start, end, digits)
                if score is not None:
                    kind = "CREDIT_CARD_TEST" if digits in TEST else "CREDIT_CARD"
                    yield Candidate(entity_type=kind, start=start, end=end, score=score, recognizer=self.name)

    def open_at(self, tail: Tail) -> int:
        """Return where the last digits and separators begin."""
        return tail.number

    @staticmethod
    def _score(view: View, start: int, end: int, digits: str) -> float | None:
        separators = {c for c in view.text[start:end] if not c.isdigit()}
        if len(separators) > 1 or separators & set("()/") or not luhn_valid(digits):
            return None
        if len(set(digits)) == 1:
            return None
        if separators:
            separator = separators.pop()
            sizes = tuple(len(group) for group in view.text[start:end].split(separator))
            if separator == ".":
                return 0.95 if sizes in GROUPED_WITH_DOTS else None
            # 4-4-4-4, 4-6-5, 6-13 and the like
            if 0 in sizes or max(sizes) > LAST_GROUP or min(sizes[:-1]) < FIRST_GROUP:
                return None
            return 0.95
        context = any(word in view.before(start) for word in WORDS)
        if len(digits) in WEAK:
            return 0.85 if context else None
        return 0.95 if context else 0.85


def _ends(view: View, end: int) -> bool:
    """Whether a card number may end here: an expiry date or a security code may follow a slash."""
    return view.char(end) == "/" or view.number_ends(end)
