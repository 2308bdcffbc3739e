"""IBANs (ISO 13616): country lengths and MOD 97-10, in one piece or in groups of four."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.checksum import iban_valid
from guard.screening.tail import Tail, trailing
from guard.screening.view import Candidate, View

__all__ = ["Iban"]

LENGTHS = {
    item[:2]: int(item[3:])
    for item in (
        "AD=24 AE=23 AL=28 AT=20 AZ=28 BA=20 BE=16 BG=22 BH=22 BI=27 BR=29 BY=28 CH=21 CR=22 CY=28"
        " CZ=24 DE=22 DJ=27 DK=18 DO=28 EE=20 EG=29 ES=24 FI=18 FK=18 FO=18 FR=27 GB=22 GE=22 GI=23"
        " GL=18 GR=27 GT=28 HN=28 HR=21 HU=28 IE=22 IL=23 IQ=23 IS=26 IT=27 JO=30 KW=30 KZ=20 LB=28 LC=32"
        " LI=21 LT=20 LU=20 LV=21 LY=25 MC=27 MD=24 ME=22 MK=19 MN=20 MR=27 MT=31 MU=30 NI=28 NL=18"
        " NO=15 OM=23 PK=24 PL=28 PS=29 PT=25 QA=29 RO=24 RS=22 RU=33 SA=24 SC=31 SD=18 SE=24 SI=19"
        " SK=24 SM=27 SO=23 ST=25 SV=28 TL=23 TN=24 TR=26 UA=29 VA=22 VG=24 XK=20 YE=30"
    ).split()
}
SEPARATORS = " -"
START = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}")
OPEN = re.compile(r"[A-Za-z0-9 \-]{0,80}")
REACH = 80
"""The longest account number with a separator after each character."""


class Iban:
    """Anchored at a country code with two digits."""

    name = "iban"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield account numbers."""
        text = view.text
        for digits, _ in view.chains:
            start = digits - 2
            if start < 0 or not text[digits - 1].isalpha() or not view.digit_at(digits + 1):
                continue
            length = LENGTHS.get(text[start:digits].upper())
            if length is None or view.word_at(start - 1):
                continue
            stop = self._end(text, start, length)
            if stop is not None and not view.word_at(stop):
                yield Candidate(
                    entity_type="IBAN_CODE", start=start, end=stop, score=0.98, recognizer=self.name
                )

    def open_at(self, tail: Tail) -> int:
        """Return where a number begins whose groups may go on behind a space."""
        begun = START.search(tail.text, trailing(OPEN, tail.text, REACH))
        return min(tail.run, begun.start()) if begun else tail.run

    @staticmethod
    def _end(text: str, start: int, length: int) -> int | None:
        collected: list[str] = []
        at = start
        while len(collected) < length and at < len(text):
            character = text[at]
            if character.isascii() and character.isalnum():
                collected.append(character.upper())
            elif character not in SEPARATORS or text[at - 1] in SEPARATORS:
                return None
            at += 1
        if len(collected) < length or not iban_valid("".join(collected)):
            return None
        return at
