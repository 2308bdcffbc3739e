"""Answers drawn from a grammar: prose with values, surrogates, markup, escapes, many scripts.

What a recognizer might find, what restoring might touch, and the beginnings of both that
come to nothing stand next to each other in every order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from string import ascii_uppercase

from benchmarks.gateway import values
from benchmarks.gateway.answers import Call, Choice

__all__ = ["choices", "text"]

WORDS = (
    "the order was sent to",
    "see",
    "reply to",
    "password is",
    "token:",
    "call",
    "card",
    "ssn",
    "on Friday",
    "请联系",
    "电话:",
    "Überweisung an",
    "нет",
    "🙂",
    "e\u0301",
    "zero\u200bwidth",
    "ＡＢＣ１２３",
    "version 1.2.3.4",
    "x = a[3] * 2",
    "1,204 rows",
)
BEGINNINGS = (
    "+49 30",
    "4111 1111",
    "DE89 3704",
    "a@",
    "@b.com",
    "sk-",
    "ghp_abc",
    "eyJhbGciOi",
    "-----BEGIN ",
    "-----BEGIN PRIVATE KEY-----\nQUJD",
    "https://",
    "https://user:",
    "fe80::",
    "AA:BB:CC",
    "EMLX",
    "EMLX0123456789",
    "CRDX",
    "123-45-",
    "![",
    "](",
    "<img src='",
    "<a href=",
)
JOINTS = ("", " ", " ", " ", "\n", ", ", ". ", ":", "-", "/", '"', "\\n", "\\", "。", "\u00a0", "|", "=")
MARKUP = (
    "![a](https://ok.example.net/{})",
    "[b](https://evil.test/?q={})",
    "<img src='https://evil.test/{}'>",
    "`{}`",
    "```\n{}\n```",
    "[r]: https://evil.test/{}",
    "https://evil.test/{}",
    "mailto:{}",
)
SHAPE = "@guard.invalid"


def _token(source: random.Random, tokens: Sequence[str]) -> str:
    """Return a surrogate: one of this exchange mostly, else one that nobody knows."""
    known = source.choice(tokens) if tokens and source.random() < 0.8 else ""
    token = known or "EMLX" + "".join(source.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=12))
    kind = source.random()
    if kind < 0.15:
        token = token.lower()
    if token.upper().startswith("EML") and kind < 0.5:
        token += SHAPE
    return token + source.choice(("", "", "", ascii_uppercase[source.randrange(26)]))


def _piece(source: random.Random, tokens: Sequence[str]) -> str:
    kind = source.random()
    if kind < 0.35:
        return source.choice(WORDS)
    if kind < 0.55:
        return values.make(source)[1]
    if kind < 0.75:
        return _token(source, tokens)
    if kind < 0.87:
        return source.choice(BEGINNINGS)
    inner = _token(source, tokens) if source.random() < 0.7 else values.make(source)[1]
    return source.choice(MARKUP).format(inner)


def text(source: random.Random, tokens: Sequence[str], pieces: int) -> str:
    """Return a text of so many pieces; ``tokens`` are the surrogates of this exchange."""
    out: list[str] = []
    for _ in range(pieces):
        out += (_piece(source, tokens), source.choice(JOINTS))
    return "".join(out)


def _arguments(source: random.Random, tokens: Sequence[str]) -> str:
    inner = text(source, tokens, source.randint(1, 5))
    plain = {"path": "a/b.txt", source.choice(("text", "url", "to")): inner, "n": source.randint(0, 9)}
    if source.random() < 0.3:
        plain["nested"] = json.dumps({"deep": text(source, tokens, 2)}, ensure_ascii=source.random() < 0.5)
    return json.dumps(plain, ensure_ascii=source.random() < 0.5)


def choices(source: random.Random, tokens: Sequence[str], tools: Sequence[str]) -> list[Choice]:
    """Return one or two choices, some with reasoning, some with calls of ``tools``."""
    drawn: list[Choice] = []
    for _ in range(1 if source.random() < 0.8 else 2):
        choice = Choice(texts={"content": text(source, tokens, source.randint(1, 14))}, reason="stop")
        if source.random() < 0.2:
            choice.texts = {"reasoning_content": text(source, tokens, 4), **choice.texts}
        if source.random() < 0.3:
            choice.reason = "tool_calls"
            for _ in range(source.randint(1, 2)):
                choice.calls.append(Call(name=source.choice(tools), arguments=_arguments(source, tokens)))
        drawn.append(choice)
    return drawn
