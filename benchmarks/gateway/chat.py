"""Chat bodies as people write them: ordinary prose and code with personal data among it.

A body of a kilobyte is one new message. A larger one is a conversation: clients resend what
was said before, and only the last message is new (``Kind.FRESH`` makes all of it new). No
two last messages are alike, so nothing that the gate remembers helps it with them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from benchmarks.gateway import values

__all__ = ["Kind", "Pool", "hostile", "prose"]

SYSTEM = (
    "You are the assistant of a support desk. Answer briefly, in the customer's language, and name the next"
    " step. If the order number is missing, ask for it once."
)
SENTENCES = (
    "The parcel was handed to the carrier on Tuesday, but the tracking page has not moved since.",
    "We would like to change the delivery address of the open order before it leaves the warehouse.",
    "Please check whether the second instalment was booked, because the reminder arrived again this morning.",
    "The export job finished with 1,204 rows, of which 17 were rejected for a missing currency.",
    "Could you draft a short reply that explains the delay and offers a refund of the shipping costs?",
    "The contract ends on 31 March 2027 and renews for twelve months unless it is cancelled in writing.",
    "After the update the dashboard shows the right totals, although the chart still starts in 2019.",
    "Our office in Lisbon is closed next week; the hotline in Vienna takes the calls until then.",
    "The meeting was moved from 10:30 to 14:00, room 4.12, and the agenda is attached to the invitation.",
    "def total(rows):\n    return sum(row.amount for row in rows if row.state != 'void')  # cents",
    "2026-03-14 09:26:53 INFO worker-3 request 7f3a took 41.7 ms, cache hit 0.83, build 2.14.1",
    "Bitte prüfen Sie, ob die Rechnung vom 12. Februar schon beglichen ist, und melden Sie sich kurz.",
    "请确认订单是否已经发货,如果没有,请在今天下班前通知客户。",
    "The customer prefers to be called in the afternoon and has asked twice for a written confirmation.",
    "Version 3.11.4 of the driver fixes the time-out that we saw with more than 500 open cursors.",
    "She reported that the app closes when the camera is opened a second time within one minute.",
)
LEADS = (
    "You can reach me at {}.",
    "The account on file is {}.",
    "Reference for the callback: {}.",
    "Please use {} from now on.",
)
BYTES_A_VALUE = 340
"""In a new message one value in so many bytes: about three in a kilobyte."""

BYTES_A_VALUE_BEFORE = 1024
"""The same in what was said before, and in a long text."""

MESSAGE = 1024

ANSWERED = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "EMAIL_ADDRESS", "PHONE_NUMBER")


class Kind(StrEnum):
    """What a pool's bodies are."""

    CHAT = "chat"
    FRESH = "fresh"
    ATTACK = "attack"


def prose(source: random.Random, size: int, *, spread: int = BYTES_A_VALUE) -> str:
    """Return a text of about ``size`` bytes with a value in every ``spread`` of them."""
    pieces: list[str] = []
    length = with_value = 0
    while length < size:
        piece = source.choice(SENTENCES)
        if length >= with_value:
            piece = source.choice(LEADS).format(values.make(source, source.choice(ANSWERED))[1])
            with_value += spread
        pieces.append(piece)
        length += len(piece.encode()) + 1
    return " ".join(pieces)


MARK = "#MARK#"
STORMS = (
    "a@",
    "4000-",
    "ab:cd:",
    "password: ",
    "-----BEGIN eyJ",
    "+49 30 12",
    "https://a:b",
    "sk-AKIAghp_",
    "DE12 3",
    "1.2.3.",
)
"""Beginnings of candidates: a text made of one of them is as much work as its length allows."""

VALUES_AT_MOST = 15_000
"""Below the cap over which a text is refused without being read to its end."""


def hostile(source: random.Random, form: int, size: int) -> str:
    """Return a text of about ``size`` bytes that is as costly to screen as possible."""
    if form % 2:
        pieces = [values.email(source) + " " for _ in range(min(VALUES_AT_MOST, size // 40))]
        text = "".join(pieces)
        return text + "x@" * ((size - len(text)) // 2)
    storm = STORMS[form // 2 % len(STORMS)]
    return storm * (size // len(storm))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Bodies of one size, ready to be numbered: cheap to make each unique while measuring."""

    heads: tuple[bytes, ...]
    tails: tuple[bytes, ...]

    @classmethod
    def make(cls, source: random.Random, kind: Kind, *, size: int, stream: bool, count: int) -> Pool:
        """Make ``count`` bodies of about ``size`` bytes."""
        heads, tails = [], []
        for number in range(count):
            body = {
                "model": "bench-model",
                "messages": list(_messages(source, kind, number, size)),
                "temperature": 0.2,
                "stream": stream,
            }
            head, _, tail = json.dumps(body, ensure_ascii=False).encode().partition(MARK.encode())
            heads.append(head)
            tails.append(tail)
        return cls(heads=tuple(heads), tails=tuple(tails))

    def bodies(self, start: int) -> Iterator[bytes]:
        """Yield bodies without end, each with a number of its own from ``start`` on."""
        number = start
        while True:
            at = number % len(self.heads)
            yield b"%b%010d%b" % (self.heads[at], number, self.tails[at])
            number += 1


def _messages(source: random.Random, kind: Kind, number: int, size: int) -> Iterator[dict[str, str]]:
    yield {"role": "system", "content": SYSTEM}
    if kind is Kind.CHAT:
        for turn in range((size - MESSAGE) // MESSAGE):
            role = "assistant" if turn % 2 else "user"
            yield {"role": role, "content": prose(source, MESSAGE, spread=BYTES_A_VALUE_BEFORE)}
        last = prose(source, MESSAGE)
    elif kind is Kind.FRESH:
        last = prose(source, size, spread=BYTES_A_VALUE_BEFORE)
    else:
        last = hostile(source, number, size)
    yield {"role": "user", "content": f"Ticket {MARK}. {last}"}
