"""Telephone numbers: international ones, North American and Chinese as written at home, others in context."""

from __future__ import annotations

import re
from collections.abc import Iterator

from guard.screening.numbering import dialable
from guard.screening.tail import Tail
from guard.screening.view import Candidate, View

__all__ = ["CnMobile", "Phone"]

MAX_DIGITS = 15
MIN_DIGITS = 8
NANP = re.compile(r"(?:1[ \-.])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ \-.])[2-9][0-9]{2}[ \-.]?[0-9]{4}")
NANP_DIGITS = 10
EXTENSION = re.compile(r"x[0-9]")
WORDS = (
    *("phone", "tel", "call", "mobil", "cell", "fax", "whatsapp", "contact", "reach", "sms", "text me"),
    *("handy", "portable", "手机", "电话", "联系", "微信", "传真", "携帯"),
)
"""What makes a number with a leading zero, or one of a usual form, more likely."""

STEMS = ("phon", "fon", "tel", "tlf", "tfn", "vil", "cel", "fax", "whatsapp", "手机", "电话", "传真")
STRONG = re.compile(
    r"(?<![a-zà-ÿ])(?:(?:work|home|cell|office|user|contact|mobile)?[_\- ]?phone|whatsapp"
    r"|t[eé]l[eé](?:ph|f)on"
    r"|(?:tele?fs?|tlfn?o?s?|tfn?os?|tel[eé]fs?|tels?|m[oó]vil(?:es)?|celular|fax|cell no)(?![a-zà-ÿ]))"
    r"|手机|电话|传真"
)
STRONG_REACH = 40
"""How far left the word may stand that makes any digits a telephone number."""

AT_HOME = (8, 13)
LOCAL = re.compile(r"[2-9][0-9]{2}-[0-9]{4}")
NOT_PHONE = re.compile(
    r"(?:19|20)[0-9]{2}[ .\-/]?[01][0-9][ .\-/]?[0-3][0-9](?![0-9])"
    r"|[0-3]?[0-9][ .\-/][01]?[0-9][ .\-/](?:19|20)[0-9]{2}(?![0-9])"
    r"|(?:1?[0-9]{1,2}|2[0-4][0-9]|25[0-5])(?:\.(?:1?[0-9]{1,2}|2[0-4][0-9]|25[0-5])){3}(?![0-9])"
)
"""Dates and network addresses."""


class Phone:
    """``+`` and a number that can be dialled; North American forms; others after a word that says so."""

    name = "phone"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield telephone numbers."""
        text = view.text
        for first, (start, _) in enumerate(view.groups):
            before = text[start - 1 : start]
            if before == "+":
                if not view.word_at(start - 2):
                    yield from self._international(view, first, start - 1, "")
            elif text[start] == "0":
                if not view.number_begins(start):
                    continue
                if text.startswith("00", start) and not self._goes_on(view, start):
                    yield from self._international(view, first, start, "00")
                else:
                    yield from self._at_home(view, first, start, strong=False)
            elif before == " " and text[start - 2 : start - 1] == "+" and not view.char(start - 3).strip():
                yield from self._international(view, first, start - 2, "")
        yield from self._american(view)
        yield from self._announced(view)

    def open_at(self, tail: Tail) -> int:
        """Return where the last digits and separators begin, also before a beginning extension."""
        if tail.text.endswith("x"):
            return Tail(tail.text[:-1]).number
        return tail.number

    def _international(self, view: View, first: int, start: int, prefix: str) -> Iterator[Candidate]:
        # Every end at which it can be dialled: where a card follows, the longest would lose to it.
        for end, digits in view.sequences(first, digits=MAX_DIGITS + len(prefix)):
            number = digits.removeprefix(prefix)
            if len(number) >= MIN_DIGITS and not view.word_at(end) and dialable(number):
                yield self._candidate(start, end, 0.85)

    def _american(self, view: View) -> Iterator[Candidate]:
        """Yield ``(NXX) NXX-XXXX`` and the like; each is anchored at its area code."""
        for index, area, _ in view.of_length(3):
            start = area
            if view.char(area - 1) == "(" and not view.word_at(area - 2):
                start = area - 1 if NANP.match(view.text, area - 1) else area
            if index and view.text[start - 2 : start] in ("1 ", "1-", "1.") and not view.digit_at(start - 3):
                start -= 2
            found = NANP.match(view.text, start)
            if found is None or not view.number_begins(start) or not self._ends(view, found.end()):
                continue
            digits = re.sub("[^0-9]", "", found.group())
            if dialable("1" + digits[-NANP_DIGITS:]):
                yield self._candidate(start, found.end(), 0.85 if _context(view, start) else 0.6)

    def _announced(self, view: View) -> Iterator[Candidate]:
        """Yield numbers of any form that stand right behind a word for a telephone."""
        # Every word for a telephone holds one of the stems, and most texts hold few of them.
        stems = view.present(STEMS, lower=True) if view.groups else ()
        for first, (start, end) in enumerate(view.groups if stems else ()):
            if end - start > AT_HOME[1]:
                continue
            before = view.before(start, STRONG_REACH)
            said = any(stem in before for stem in stems)
            if said and view.number_begins(start) and STRONG.search(before):
                yield from self._at_home(view, first, start, strong=True)

    def _at_home(self, view: View, first: int, start: int, *, strong: bool) -> Iterator[Candidate]:
        if NOT_PHONE.match(view.text, start) or not (strong or _context(view, start)):
            return
        low, high = AT_HOME
        local = LOCAL.match(view.text, start) if strong else None
        if local and self._ends(view, local.end()):
            yield self._candidate(start, local.end(), 0.6)
        for end, digits in view.sequences(first, digits=high - (not strong)):
            if len(digits) >= low + (not strong) and self._ends(view, end):
                yield self._candidate(start, end, 0.6)

    @staticmethod
    def _goes_on(view: View, start: int) -> bool:
        """Whether other digits stand before a number that no word announces."""
        return view.char(start - 1) == " " and view.digit_at(start - 2) and not _context(view, start)

    @staticmethod
    def _ends(view: View, end: int) -> bool:
        """Whether a number may end here; an extension may follow."""
        return view.number_ends(end) or EXTENSION.match(view.text, end) is not None

    def _candidate(self, start: int, end: int, score: float) -> Candidate:
        return Candidate(entity_type="PHONE_NUMBER", start=start, end=end, score=score, recognizer=self.name)


CN_MOBILE = re.compile(r"1[3-9][0-9]{9}")
CN_GROUPS = (3, 4, 4)
CN_DIGITS = 11
CN_CODE = "86"


class CnMobile:
    """Mainland mobile numbers as written at home: eleven digits from 13 to 19."""

    name = "cn_mobile"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield mobile numbers."""
        for _, start, end in view.of_length(CN_DIGITS, CN_DIGITS + len(CN_CODE)):
            mobile = end - CN_DIGITS
            coded = mobile > start
            if CN_MOBILE.match(view.text, mobile) and (not coded or view.text.startswith(CN_CODE, start)):
                yield from self._confirmed(view, start, end, needs_context=coded)
        for index, start, _ in view.of_length(CN_GROUPS[0]):
            if view.text[start] == "1" and view.text[start + 1] >= "3":
                stop = view.joined(index, CN_GROUPS, " -")
                if stop is not None:
                    yield from self._confirmed(view, start, stop, needs_context=False)

    def open_at(self, tail: Tail) -> int:
        """Return where the last digits and separators begin."""
        return tail.number

    def _confirmed(self, view: View, start: int, end: int, *, needs_context: bool) -> Iterator[Candidate]:
        before = view.text[max(0, start - 3) : start]
        if not view.number_ends(end) or not (view.number_begins(start) or before in ("86-", "86 ")):
            return
        context = _context(view, start)
        if context or not needs_context:
            yield Candidate(
                entity_type="PHONE_NUMBER",
                start=start,
                end=end,
                score=0.85 if context else 0.6,
                recognizer=self.name,
            )


def _context(view: View, start: int) -> bool:
    before = view.before(start)
    return any(word in before for word in WORDS)
