"""Put originals back into an answer, by sink, however the answer was cut.

Restoring uses this exchange's own map only. A surrogate that is not in it stays as it is:
it is of an earlier turn, or nobody's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from guard.domain.entities import CATALOGUE, Group, tokens_in
from guard.domain.json_escapes import decode, escape
from guard.domain.principal import Tools
from guard.protection.plan import Original
from guard.protection.sinks import Place

__all__ = ["RestoreContext", "Restorer"]

TAIL = re.compile(r"[0-9A-Za-z@.:]{0,34}")
HELD = 34
"""A token, its shape, and the characters that decide whether it goes on."""

AHEAD = 2
QUOTE = re.compile(r"\\.|\"", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreContext:
    """What may be restored where, in one exchange. ``hosts`` stood in the caller's own words."""

    vault: Mapping[str, Original]
    hosts: frozenset[str]
    tools: Tools


class Restorer:
    """Restores one channel. ``sink``: ``prose`` or ``tool:NAME``."""

    def __init__(self, context: RestoreContext, *, sink: str) -> None:
        self._context = context
        kind, _, tool = sink.partition(":")
        self._tool = kind == "tool"
        self._never = self._tool and _listed(tool, context.tools.egress)
        self._always = self._tool and not self._never and _listed(tool, context.tools.secret)
        self._place = Place(context.hosts, argument=self._tool)
        self._held = ""
        self.restored = 0
        self.withheld = 0

    def feed(self, text: str) -> str:
        """Take text; return what can go out already."""
        if not self._context.vault:
            return text
        text = self._held + text
        tail = TAIL.match(text[: -HELD - 1 : -1])
        return self._advance(text, len(text) - (tail.end() if tail else 0))

    def close(self) -> str:
        """Return the rest."""
        return self._advance(self._held, len(self._held))

    def source(self, source: str) -> str:
        """Restore in one whole JSON source. Each of its strings is a text and a place of its own.

        What is no JSON stays as it is: who knows what its reader makes of it.
        """
        if not self._context.vault:
            return source
        if not _is_json(source):
            self.withheld += sum(one.group().upper() in self._context.vault for one in tokens_in(source))
            return source
        out: list[str] = []
        at = 0
        for start, end in _strings(source):
            self._place = Place(self._context.hosts, argument=True)
            out += (source[at:start], self._string(source[start:end]))
            at = end
        out.append(source[at:])
        return "".join(out)

    def _string(self, source: str) -> str:
        """Restore in the source of one string, looking at what its escapes stand for."""
        decoded = decode(source)
        out: list[str] = []
        at = passed = 0
        for found in tokens_in(decoded.text):
            original = self._context.vault.get(found.group().upper())
            if original is None:
                continue
            start, end = found.start(), _shaped(decoded.text, found.end(), original)
            self._place.advance(decoded.text[passed:start])
            shown = self._shown(original, decoded.text[end : end + AHEAD])
            if shown is not None:
                low, high = decoded.source(start, end)
                out += (source[at:low], escape(shown))
                at = high
            self._place.advance(decoded.text[start:end] if shown is None else shown)
            passed = end
        out.append(source[at:])
        return "".join(out)

    def _advance(self, text: str, limit: int) -> str:
        """Restore in ``text[:limit]``; hold the rest, and any token that reaches into it."""
        out: list[str] = []
        at = 0
        border = self._place.last
        for found in tokens_in(border + text):
            start, end = found.start() - len(border), found.end() - len(border)
            if start < 0:
                continue  # What began there was seen with what stood before it, and was glued to that.
            original = self._context.vault.get(found.group().upper())
            if original is not None:
                end = _shaped(text, end, original)
            if end > limit:
                limit = min(limit, start)
                break
            if original is None:
                continue
            self._place.advance(text[at:start])
            shown = self._shown(original, text[end : end + AHEAD])
            written = text[start:end] if shown is None else shown
            out += (text[at:start], written)
            self._place.advance(written)
            at = end
        self._place.advance(text[at:limit])
        out.append(text[at:limit])
        self._held = text[limit:]
        return "".join(out)

    def _shown(self, original: Original, right: str) -> str | None:
        """Return the value, or ``None`` if it is withheld; ``right``: what follows the surrogate."""
        if self._allows(original, right):
            self.restored += 1
            return original.value
        self.withheld += 1
        return None

    def _allows(self, original: Original, right: str) -> bool:
        if self._never or self._always:
            return self._always
        payment = original.group is Group.PAYMENT
        if original.group is Group.SECRET or (payment and self._tool):
            return False
        return self._place.permits(right, in_addresses=not payment)


def _listed(tool: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)


def _shaped(text: str, end: int, original: Original) -> int:
    """Return the end of a token with the shape of its type round it, if it is there."""
    after = CATALOGUE[original.entity_type].shape.partition("{token}")[2]
    stop = end + len(after)
    glued = text[stop : stop + 1]
    if not after or text[end:stop].lower() != after or (glued.isascii() and glued.isalnum()):
        return end
    return stop


def _is_json(source: str) -> bool:
    try:
        json.loads(source)
    except (ValueError, RecursionError):
        return False
    return True


def _strings(source: str) -> Iterator[tuple[int, int]]:
    """Yield where the strings of a JSON source stand, without their quotation marks."""
    begin: int | None = None
    for mark in QUOTE.finditer(source):
        if mark.group() != '"':
            continue
        if begin is None:
            begin = mark.end()
        else:
            yield begin, mark.start()
            begin = None
