"""Screen the texts of a request once, remember findings, let others run meanwhile.

Findings of a text depend on that text alone, so agents that resend their history pay
only for what is new. The memory holds spans under a keyed digest, never text.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence

from guard.domain.exchange import Encoding, Part
from guard.domain.finding import Finding
from guard.pipeline.turns import SLICE, in_turns
from guard.screening.engine import Screener

__all__ = ["FindingMemo", "screen_parts"]

SHORT = 8
"""Texts below this many code points are cheaper to screen than to look up."""

COST = 64
"""What looking at a part costs however short it is, in code points."""


class FindingMemo:
    """A bounded memory of findings by text, for one worker.

    ``key``: 32 random bytes of this process, so that a memory dump holds no digest that
    could be guessed from outside. ``capacity``: texts and findings together.
    """

    def __init__(self, *, key: bytes, capacity: int = 40_000) -> None:
        self._key = key
        self._capacity = capacity
        self._size = 0
        self._entries: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()

    def name(self, snapshot: str, part: Part) -> bytes:
        """Return the keyed digest of a part's text under a snapshot."""
        mark = b"j" if part.encoding is Encoding.JSON else b"t"
        hasher = hashlib.blake2b(mark + snapshot.encode() + b"\0", key=self._key, digest_size=24)
        hasher.update(part.text.encode())
        return hasher.digest()

    def get(self, name: bytes) -> tuple[Finding, ...] | None:
        """Return remembered findings and mark them as used."""
        found = self._entries.get(name)
        if found is not None:
            self._entries.move_to_end(name)
        return found

    def put(self, name: bytes, findings: tuple[Finding, ...]) -> None:
        """Remember findings, dropping the longest unused."""
        if name in self._entries:
            return
        self._entries[name] = findings
        self._size += 1 + len(findings)
        while self._size > self._capacity:
            _, dropped = self._entries.popitem(last=False)
            self._size -= 1 + len(dropped)


async def screen_parts(
    screener: Screener, parts: Sequence[Part], memo: FindingMemo, snapshot: str
) -> tuple[tuple[Finding, ...], ...]:
    """Return the findings of each part, in order. Raises ``ScreeningFailed``."""
    found: list[tuple[Finding, ...]] = []
    since_turn = 0
    for part in parts:
        found.append(await _screened(screener, part, memo, snapshot))
        since_turn += len(part.text) + COST
        if since_turn > SLICE:
            await asyncio.sleep(0)
            since_turn = 0
    return tuple(found)


async def _screened(screener: Screener, part: Part, memo: FindingMemo, snapshot: str) -> tuple[Finding, ...]:
    json_text = part.encoding is Encoding.JSON
    if len(part.text) < SHORT:
        return screener.screen(part.text, json_text=json_text)
    name = memo.name(snapshot, part)
    known = memo.get(name)
    if known is None:
        known = await in_turns(screener.screen_steps(part.text, json_text=json_text))
        memo.put(name, known)
    return known
