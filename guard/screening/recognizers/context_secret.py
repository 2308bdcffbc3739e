"""Passwords and tokens without a form of their own: a trigger word, a sign, a random-looking value."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from guard.screening.tail import Tail, trailing
from guard.screening.view import LEFT, MAX_CANDIDATE, MAX_UNBROKEN, Candidate, View

__all__ = ["STEMS", "ContextSecret"]

REST = r"[a-z0-9_]{0,20}"
WORDS: tuple[tuple[str, str], ...] = (
    ("pass", rf"(?:pass(?:word|wd|wort|phrase|code){REST}|(?<![a-z])pass(?![a-z]))"),
    ("pwd", rf"pwd{REST}"),
    ("secret", rf"secret{REST}"),
    ("token", rf"token(?!i){REST}"),
    ("key", rf"key{REST}"),
    ("credential", rf"credential{REST}"),
    ("authorization", r"authorization"),
    ("kennwort", r"kennwort"),
    ("contraseña", r"contraseña"),
    ("mot de passe", r"mot de passe"),
    ("пароль", r"пароль"),
    ("密码", rf"密码{REST}"),
    ("口令", r"口令"),
    ("密钥", r"密钥"),
    ("パスワード", r"パスワード"),
)
CLOSING, OPENING = r"[\\\"'\])`]{0,4}", r"[\\\"'(`]{0,4}"
SIGN = re.compile(rf"{CLOSING}\s{{0,16}}(?::=|=>|[:=]|\bis\b:?|为|是)\s{{0,16}}{OPENING}")
NO_SIGN = re.compile(rf"{CLOSING}(?:\s{{1,3}}|,\s{{0,3}}){OPENING}")
"""Where only a space or a comma stands between, the value must be long and very random."""

TRIGGERS = {stem: re.compile(pattern) for stem, pattern in WORDS}
STEMS = (*(stem for stem, _ in WORDS), "bearer", "basic")
"""Without one of these, in lower case, there is nothing to find."""

KEY_OF = re.compile(
    r"(?:api|access|account|auth|admin|app|client|master|private|service|shared|signing|encryption|storage"
    r"|openai)[ _\-]?\Z"
)
VARIABLE = re.compile(r"[0-9A-Z](?<!PUBLIC)(?<!CACHE)_KEY(?![a-z])")
KEY_REACH = 12
SCHEMES = (("bearer", ""), ("basic", "authorization"))
"""HTTP's words before a credential, and what must stand left of them."""

VALUE = re.compile(r"[!#$%&*+\-./0-9:=?@A-Z\\^_a-z|~]{6,2048}")
QUOTED = re.compile(r"[!-~]{6,2048}")
GROWING = re.compile(r"[!-~]{0,2048}")
TRAILING = ".,:;"
CODE = re.compile(r"\$[{(A-Za-z_]|process\.env|os\.environ|%[A-Za-z_(]|/[a-z]|\./|@")
TEMPLATES = ("${", "{{", "://")
PLACEHOLDER = re.compile(
    r"(?i)(?:(?:your|my|the|some|an?|example|sample|test|dummy|fake)(?![a-z0-9])"
    r"|your[a-z]|example|changeme|placeholder|redacted|none|null|xxx)"
)
WORD = re.compile(r"[A-Za-z]{0,2048}")
HUNTER = re.compile(r"[A-Za-z]{5,14}[0-9]")
SHORT = 6
LONG = 8
VERY_LONG = 16
FEW = 3
BITS = 2.7
MANY_BITS = 3.0
"""Shannon bits a character: words stay below, random strings of eight and more are above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a value begins; ``signed``: a sign says that it is the trigger's."""

    at: int
    signed: bool


class ContextSecret:
    """Only a value with letters and digits, after a word that says what it is."""

    name = "context_secret"

    def find(self, view: View) -> Iterator[Candidate]:
        """Yield the values, without their quotes. A value ends where the next is announced."""
        limit = len(view.text)
        for place in reversed(_announced(view)):
            end = _end(view, place.at, limit if place.signed else min(limit, place.at + MAX_CANDIDATE))
            if place.signed:
                limit = place.at
            if end is None:
                continue
            value = view.text[place.at : end]
            if _random(value) if place.signed else _very_random(value):
                yield Candidate(
                    entity_type="SECRET_IN_CONTEXT",
                    start=place.at,
                    end=end,
                    score=0.7,
                    recognizer=self.name,
                )

    def open_at(self, tail: Tail) -> int:
        """Return where the last run without a space begins, or a long value in it."""
        text = tail.text
        start = trailing(GROWING, text, MAX_UNBROKEN)
        if len(text) - start > MAX_CANDIDATE:
            low = max(0, start - LEFT)
            for place in _announced(View(text[low:])):
                if place.at + low >= start:
                    return min(tail.run, place.at + low)
        return tail.run


def _announced(view: View) -> list[_Place]:
    """Return where values begin, in order."""
    places: dict[int, bool] = {}
    for stem in view.present(TRIGGERS, lower=True):
        for at in view.occurrences(stem, lower=True):
            found = TRIGGERS[stem].match(view.lower, at)
            if found is None or (stem == "key" and not _secret_key(view, at)):
                continue
            if (sign := SIGN.match(view.lower, found.end())) is not None:
                places[sign.end()] = True
            elif (gap := NO_SIGN.match(view.lower, found.end())) is not None:
                places.setdefault(gap.end(), False)
    for scheme, before in SCHEMES:
        for at in view.occurrences(scheme, lower=True):
            value = at + len(scheme) + 1
            if view.char(value - 1) == " " and not view.word_at(at - 1) and before in view.before(at):
                places[value] = True
    return [_Place(at=at, signed=places[at]) for at in sorted(places)]


def _secret_key(view: View, at: int) -> bool:
    """Whether a key is one that must stay secret: said by the word before, or by a variable's form."""
    return (
        KEY_OF.search(view.before(at, KEY_REACH)) is not None or VARIABLE.match(view.text, at - 2) is not None
    )


def _end(view: View, start: int, limit: int) -> int | None:
    """Return where the value ends that begins at ``start``: with its quotation, or as long as it goes on."""
    quote = view.char(start - 1)
    if quote in ("'", '"', "`"):
        quoted = QUOTED.match(view.text, start, limit)
        close = view.text.find(quote, start, quoted.end()) if quoted else -1
        while close > start and view.text[close - 1] == "\\":
            close -= 1
        if close - start >= SHORT:
            return close
    found = VALUE.match(view.text, start, limit)
    if found is None:
        return None
    end = start + len(found.group().rstrip(TRAILING))
    return None if view.char(end) in ("(", "[", "{") else end


def _random(value: str) -> bool:
    """Whether a value does not look like a word, a name, a path or a template."""
    if len(value) < SHORT or any(mark in value for mark in TEMPLATES):
        return False
    digits, letters = _counts(value)
    if not letters or not (digits or _scrambled(value)):
        return False
    if CODE.match(value) or PLACEHOLDER.match(value) or (digits and _name(value)):
        return HUNTER.fullmatch(value) is not None
    return _bits(value) >= BITS or (len(value) < LONG and len(set(value)) >= LONG - 3)


def _very_random(value: str) -> bool:
    digits, letters = _counts(value)
    return (
        len(value) >= VERY_LONG
        and min(digits, letters) >= FEW
        and _bits(value) >= MANY_BITS
        and _random(value)
    )


def _counts(value: str) -> tuple[int, int]:
    """Return the numbers of digits and of letters."""
    digits = len(re.findall("[0-9]", value))
    return digits, len(re.findall("[A-Za-z]", value))


def _scrambled(value: str) -> bool:
    """Whether capitals and small letters mix as in no name: twenty and more, a third of each."""
    capitals = len(re.findall("[A-Z]", value))
    small = len(re.findall("[a-z]", value))
    return capitals + small >= LONG + 12 and FEW * min(capitals, small) >= capitals + small


def _name(value: str) -> bool:
    """Whether a value is written like a name in code: words joined by marks, one digit at most."""
    bare = value[:-1] if value[-1:].isdigit() else value
    return all(WORD.fullmatch(part) for part in re.split("[._-]", bare)) and bare[:1] not in ("", ".", "-")


def _bits(text: str) -> float:
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())
