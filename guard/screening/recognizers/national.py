"""National identity numbers: US social security, CN resident identity (GB 11643-1999)."""

from __future__ import annotations

from collections.abc import Iterator

from guard.screening.checksum import mod11_2_valid
from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["CnResidentId", "UsSsn"]

GROUPS = (3, 2, 4)
BARE = 9
SSN_WORDS = ("ssn", "social security", "social sec", "soc sec", "tax id", "taxpayer")
PUBLISHED = frozenset({"078051120", "219099999", "123456789", "457555462"})
"""Numbers that were printed in advertisements or stand in every example."""

PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81"
    " 82 83".split()
)
CN_LENGTH = 18
CN_GROUPS = (6, 8)
CN_SERIAL = 4
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _ssn_plausible(digits: str) -> bool:
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if area in ("000", "666") or area >= "900" or group == "00" or serial == "0000":
        return False
    return digits not in PUBLISHED


class UsSsn:
    """``AAA-GG-SSSS`` with the area rules; without dashes only after a word that says so."""

    name = "us_ssn"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield social security numbers."""
        for index, start, _ in view.of_length(GROUPS[0]):
            end = view.joined(index, GROUPS, "- .")
            if end is None or not view.number_begins(start) or not view.number_ends(end):
                continue
            separator = view.text[start + GROUPS[0]]
            context = self._context(view, start)
            # With other separators, or as the end of a longer name, it may be anything.
            if not context and (separator != "-" or view.char(start - 1) in ("-", "/")):
                continue
            if _ssn_plausible(view.text[start:end].replace(separator, "")):
                yield self._candidate(start, end, 0.95 if context else 0.7)
        for _, start, end in view.of_length(BARE):
            if view.word_at(start - 1) or view.word_at(end) or not self._context(view, start):
                continue
            if _ssn_plausible(view.text[start:end]):
                yield self._candidate(start, end, 0.8)

    def open_at(self, tail: Tail) -> int:
        """Return where the last digits and separators begin."""
        return tail.number

    @staticmethod
    def _context(view: View, start: int) -> bool:
        before = view.before(start)
        return any(word in before for word in SSN_WORDS)

    def _candidate(self, start: int, end: int, score: float) -> Candidate:
        return Candidate(entity_type="US_SSN", start=start, end=end, score=score, recognizer=self.name)


class CnResidentId:
    """18 characters, also as 6-8-4: province, plausible date of birth, MOD 11-2 check."""

    name = "cn_resident_id"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield identity numbers."""
        for _, start, end in view.of_length(CN_LENGTH, CN_LENGTH - 1):
            yield from self._confirmed(view, start, start + CN_LENGTH, view.text[start:end])
        for index, start, _ in view.of_length(CN_GROUPS[0]):
            born = view.joined(index, CN_GROUPS, " -")
            if born is not None and view.char(born) == view.text[start + CN_GROUPS[0]]:
                stop = born + 1 + CN_SERIAL
                digits = view.text[start:stop].replace(view.char(born), "")
                yield from self._confirmed(view, start, stop, digits)

    def open_at(self, tail: Tail) -> int:
        """Return where the last digits and separators begin, also before a beginning check character."""
        if tail.text.endswith(("X", "x")):
            return Tail(tail.text[:-1]).number
        return tail.number

    def _confirmed(self, view: View, start: int, end: int, digits: str) -> Iterator[Candidate]:
        """Yield the number that begins with ``digits``; its last may be an X."""
        number = (digits if len(digits) == CN_LENGTH else digits + view.char(end - 1)).upper()
        if len(number) != CN_LENGTH or view.word_at(start - 1) or view.word_at(end):
            return
        if not (number.isascii() and number[:-1].isdigit()) or number[-1] not in "0123456789X":
            return
        if number[:2] in PROVINCES and _date(number[6:14]) and mod11_2_valid(number):
            yield Candidate(
                entity_type="CN_RESIDENT_ID", start=start, end=end, score=0.98, recognizer=self.name
            )


def _date(written: str) -> bool:
    year, month, day = int(written[:4]), int(written[4:6]), int(written[6:])
    return 1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= DAYS[month - 1]  # noqa: PLR2004 (a calendar)
