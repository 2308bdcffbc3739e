"""Telephone numbers: international with their plus, North American and Chinese as written at home.

Lengths and patterns of a calling code come from libphonenumber's metadata (the
``phonenumbers`` package), compiled once when the code is first met.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from guard.screening.view import Candidate, View

__all__ = ["CnMobile", "Phone"]

MAX_DIGITS = 15
MIN_DIGITS = 8
NANP = re.compile(
    r"(?<![0-9A-Za-z_+.\-/(])(?:1[ \-.])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ \-.])"
    r"[2-9][0-9]{2}[ \-.][0-9]{4}"
    r"(?![0-9A-Za-z_]|[.\-/][0-9])"
)
CN = re.compile(
    r"(?<![0-9A-Za-z_+.\-/])1[3-9][0-9](?:[0-9]{8}|([ \-])[0-9]{4}\1[0-9]{4})(?![0-9A-Za-z_]|[.\-/][0-9])"
)
WORDS = ("phone", "tel", "call", "mobile", "cell", "fax", "whatsapp", "contact", "reach", "sms", "text me")
CN_WORDS = ("手机", "电话", "联系", "微信", *WORDS)
NATIONAL = (9, 12)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    lengths: frozenset[int]
    numbers: re.Pattern[str]


@lru_cache(maxsize=512)
def _plan(code: str) -> _Plan | None:
    """Return the numbering plan of a calling code, or ``None`` if it is none."""
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    lengths: set[int] = set()
    patterns: list[str] = []
    for region in COUNTRY_CODE_TO_REGION_CODE.get(int(code), ()):
        known = (
            PhoneMetadata.metadata_for_nongeo_region(int(code), None)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region, None)
        )
        if known is None:
            continue
        if known.general_desc is not None:
            lengths.update(known.general_desc.possible_length or ())
        patterns += [
            kind.national_number_pattern
            for kind in (
                known.fixed_line,
                known.mobile,
                known.toll_free,
                known.premium_rate,
                known.shared_cost,
                known.personal_number,
                known.voip,
                known.pager,
                known.uan,
                known.voicemail,
            )
            if kind is not None and kind.national_number_pattern
        ]
    if not patterns:
        return None
    return _Plan(lengths=frozenset(lengths), numbers=re.compile("|".join(f"(?:{p})" for p in patterns)))


def _valid(digits: str) -> bool:
    """Whether ``digits`` (with calling code) belong to a numbering plan."""
    for width in (1, 2, 3):
        plan = _plan(digits[:width])
        if plan is not None:
            national = digits[width:]
            # "+44 (0)20 …": the trunk zero is written, but not dialled.
            for number in (national, national[1:]) if national.startswith("0") else (national,):
                if len(number) in plan.lengths and plan.numbers.fullmatch(number):
                    return True
            return False
    return False


def _context(view: View, start: int, words: tuple[str, ...]) -> bool:
    before = view.before(start)
    return any(word in before for word in words)


class Phone:
    """``+`` and a valid number; North American forms; others at home after a word that says so."""

    name = "phone"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield telephone numbers."""
        if not view.groups:
            return
        for first, (start, _) in enumerate(view.groups):
            before = view.char(start - 1)
            if before == "+" and not view.word_at(start - 2):
                yield from self._longest(view, first, start - 1, "")
            elif view.text.startswith("00", start) and not (before.isascii() and before.isalnum()):
                yield from self._longest(view, first, start, "00")
            elif view.text.startswith("0", start) and _border(before):
                yield from self._at_home(view, first, start)
        for found in NANP.finditer(view.text):
            digits = re.sub("[^0-9]", "", found.group())[-10:]
            if _valid("1" + digits):
                score = 0.85 if _context(view, found.start(), WORDS) else 0.6
                yield self._candidate(found.start(), found.end(), score)

    def _longest(self, view: View, first: int, start: int, prefix: str) -> Iterator[Candidate]:
        best = None
        for end, digits in view.sequences(first, digits=MAX_DIGITS + len(prefix)):
            number = digits.removeprefix(prefix)
            if len(number) >= MIN_DIGITS and not view.word_at(end) and _valid(number):
                best = end
        if best is not None:
            yield self._candidate(start, best, 0.85)

    def _at_home(self, view: View, first: int, start: int) -> Iterator[Candidate]:
        if not _context(view, start, WORDS):
            return
        low, high = NATIONAL
        best = None
        for end, digits in view.sequences(first, digits=high):
            if len(digits) >= low and not view.word_at(end):
                best = end
        if best is not None:
            yield self._candidate(start, best, 0.6)

    def _candidate(self, start: int, end: int, score: float) -> Candidate:
        return Candidate(entity_type="PHONE_NUMBER", start=start, end=end, score=score, recognizer=self.name)


def _border(before: str) -> bool:
    return (
        not (before.isascii() and before.isalnum()) and before not in ("_", ".", "-", "/", "+")
    ) or not before


class CnMobile:
    """Mainland mobile numbers as written at home: eleven digits from 13 to 19."""

    name = "cn_mobile"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield mobile numbers."""
        if not view.groups:
            return
        for found in CN.finditer(view.text):
            score = 0.85 if _context(view, found.start(), CN_WORDS) else 0.6
            yield Candidate(
                entity_type="PHONE_NUMBER",
                start=found.start(),
                end=found.end(),
                score=score,
                recognizer=self.name,
            )
