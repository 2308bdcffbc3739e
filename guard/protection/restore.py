"""Put originals back into an answer, by sink, however the answer was cut.

Restoring uses this exchange's own map only. A surrogate that is not in it stays as it is:
it is of an earlier turn, or nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from guard.domain.entities import CATALOGUE, Group, tokens_in
from guard.domain.json_escapes import decode, escape
from guard.domain.principal import Tools
from guard.protection.plan import Original
from guard.protection.sinks import Place

__all__ = ["RestoreContext", "Restorer"]

TAIL = re.compile(r"[0-9A-Za-z@.:]*\Z")
HELD = 34
"""A token, its shape, and the characters that decide whether it goes on."""

AHEAD = 2


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
        self._place = Place(quoted=self._tool)
        self._held = ""
        self.restored = 0
        self.withheld = 0

    def feed(self, text: str) -> str:
        """Take text; return what can go out already."""
        if not self._context.vault:
            return text
        text = self._held + text
        tail = TAIL.search(text, max(0, len(text) - HELD))
        return self._advance(text, tail.start() if tail else len(text))

    def close(self) -> str:
        """Return the rest."""
        return self._advance(self._held, len(self._held))

    def source(self, source: str) -> str:
        """Restore in one whole JSON source, looking at what its escapes stand for."""
        if not self._context.vault:
            return source
        decoded = decode(source)
        out: list[str] = []
        at = passed = 0
        for found in tokens_in(decoded.text):
            original = self._context.vault.get(found.group().upper())
            if original is None:
                continue
            end = _shaped(decoded.text, found.end(), original)
            self._place.advance(decoded.text[passed : found.start()])
            if self._decides(original, decoded.text[end : end + AHEAD]):
                low, high = decoded.source(found.start(), end)
                out += (source[at:low], escape(original.value))
                at = high
            self._place.advance(decoded.text[found.start() : end])
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
            original = self._context.vault.get(found.group().upper())
            if original is not None:
                end = _shaped(text, end, original)
            if end > limit:
                limit = min(limit, start)
                break
            if original is None:
                continue
            self._place.advance(text[at:start])
            restored = self._decides(original, text[end : end + AHEAD])
            out += (text[at:start], original.value if restored else text[start:end])
            self._place.advance(text[start:end])
            at = end
        self._place.advance(text[at:limit])
        out.append(text[at:limit])
        self._held = text[limit:]
        return "".join(out)

    def _decides(self, original: Original, right: str) -> bool:
        allowed = self._allows(original, right)
        if allowed:
            self.restored += 1
        else:
            self.withheld += 1
        return allowed

    def _allows(self, original: Original, right: str) -> bool:
        if self._never or self._always:
            return self._always
        if original.group is Group.SECRET or (original.group is Group.PAYMENT and self._tool):
            return False
        return self._place.permits(right, self._context.hosts)


def _listed(tool: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(tool, pattern) for pattern in patterns)


def _shaped(text: str, end: int, original: Original) -> int:
    """Return the end of a token with the shape of its type round it, if it is there."""
    after = CATALOGUE[original.entity_type].shape.partition("{token}")[2]
    return end + len(after) if after and text[end : end + len(after)].lower() == after else end
