"""National identity numbers: US social security, CN resident identity (GB 11643-1999)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.checksum import mod11_2_valid
from guard.screening.view import Candidate, View

__all__ = ["CnResidentId", "UsSsn"]

SSN = re.compile(r"(?<![0-9A-Za-z_.\-/])([0-9]{3})([- ])([0-9]{2})\2([0-9]{4})(?![0-9A-Za-z_]|[-./][0-9])")
BARE = 9
SSN_WORDS = ("ssn", "social security", "social sec", "soc sec", "tax id", "taxpayer")
PUBLISHED = frozenset({"078051120", "219099999", "123456789", "457555462"})
"""Numbers that were printed in advertisements or stand in every example."""

PROVINCES = frozenset(
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81"
    " 82 83".split()
)
CN = re.compile(r"(?<![0-9A-Za-z])[1-8][0-9]{16}[0-9Xx](?![0-9A-Za-z])")
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def _ssn_plausible(area: str, group: str, serial: str) -> bool:
    if area in ("000", "666") or area >= "900" or group == "00" or serial == "0000":
        return False
    return area + group + serial not in PUBLISHED


class UsSsn:
    """``AAA-GG-SSSS`` with the area rules; without dashes only after a word that says so."""

    name = "us_ssn"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield social security numbers."""
        if not view.groups:
            return
        for found in SSN.finditer(view.text):
            area, separator, group, serial = found.groups()
            if not _ssn_plausible(area, group, serial):
                continue
            context = any(word in view.before(found.start()) for word in SSN_WORDS)
            if separator == " " and not context:
                continue
            yield Candidate(
                entity_type="US_SSN",
                start=found.start(),
                end=found.end(),
                score=0.95 if context else 0.7,
                recognizer=self.name,
            )
        for start, end in view.groups:
            digits = view.text[start:end]
            if end - start != BARE or view.word_at(start - 1) or view.word_at(end):
                continue
            context = any(word in view.before(start) for word in SSN_WORDS)
            if context and _ssn_plausible(digits[:3], digits[3:5], digits[5:]):
                yield Candidate(entity_type="US_SSN", start=start, end=end, score=0.8, recognizer=self.name)


class CnResidentId:
    """18 characters: province, plausible date of birth, MOD 11-2 check."""

    name = "cn_resident_id"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield identity numbers."""
        if not view.groups:
            return
        for found in CN.finditer(view.text):
            number = found.group().upper()
            if number[:2] in PROVINCES and _date(number[6:14]) and mod11_2_valid(number):
                yield Candidate(
                    entity_type="CN_RESIDENT_ID",
                    start=found.start(),
                    end=found.end(),
                    score=0.98,
                    recognizer=self.name,
                )


def _date(written: str) -> bool:
    year, month, day = int(written[:4]), int(written[4:6]), int(written[6:])
    return 1900 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= DAYS[month - 1]  # noqa: PLR2004 (a calendar)
