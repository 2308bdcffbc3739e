"""Passwords and tokens without a form of their own: a trigger word, a sign, a random-looking value."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from guard.screening.view import Candidate, View

__all__ = ["ContextSecret"]

STEMS = ("pass", "pwd", "secret", "token", "key", "credential", "bearer", "密码", "口令", "密钥")
TRIGGER = re.compile(
    r"(?:pass(?:word|wd|phrase|code)|\bpwd|secret|token"
    r"|(?:api|access|auth|private|signing|encryption)[ _\-]?key|credential|密码|口令|密钥)"
    r"[a-z_]{0,20}[\"'\])`]{0,2}\s{0,3}(?::=|=>|[:=]|\bis\b:?|为|是)\s{0,3}[\"'(`]{0,2}"
    r"|\bbearer\s{1,2}"
)
VALUE = re.compile(r"[!#$%&*+\-./0-9:=?@A-Z\\^_a-z|~]{6,200}")
TRAILING = ".,:;?!"
CODE = re.compile(r"^\$[{(A-Za-z_]|\$\{|\{\{|process\.env|os\.environ|^%[A-Za-z_(]|://|^/[a-z]|^\./|^@")
PLACEHOLDER = re.compile(
    r"(?i)^(?:your|my|the|some|example|sample|test|dummy|changeme|placeholder|redacted|none|null|xxx)"
)
NAME = re.compile(r"[A-Za-z_][A-Za-z_]*(?:[.\-_][A-Za-z_]+)*[0-9]?")
LONG = 8
BITS = 2.7
"""Shannon bits a character: words stay below, random strings of eight and more are above."""


def _bits(text: str) -> float:
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


class ContextSecret:
    """Only a value with letters and digits, after a word that says what it is."""

    name = "context_secret"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield the values, without their quotes."""
        lower = view.lower
        if not any(stem in lower for stem in STEMS):
            return
        for trigger in TRIGGER.finditer(lower):
            found = VALUE.match(view.text, trigger.end())
            if found is None:
                continue
            value = found.group().rstrip(TRAILING)
            end = found.start() + len(value)
            if view.char(end) in ("(", "[", "{") or not self._random(value):
                continue
            yield Candidate(
                entity_type="SECRET_IN_CONTEXT",
                start=found.start(),
                end=end,
                score=0.7,
                recognizer=self.name,
            )

    @staticmethod
    def _random(value: str) -> bool:
        digits = sum(character.isdigit() for character in value)
        letters = sum(character.isalpha() for character in value)
        if not digits or not letters or len(value) < LONG - 2:
            return False
        if CODE.search(value) or PLACEHOLDER.match(value) or NAME.fullmatch(value):
            return len(value) < LONG * 2 and bool(re.fullmatch(r"[A-Za-z]{5,}[0-9]", value))
        return _bits(value) >= BITS or (len(value) < LONG and len(set(value)) >= LONG - 3)
