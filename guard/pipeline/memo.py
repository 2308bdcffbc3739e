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
from guard.screening.engine import Screener

__all__ = ["FindingMemo", "screen_parts"]

SHORT = 64
"""Texts below this many code points are cheaper to screen than to look up."""

SLICE = 16_384
"""Code points screened before other requests get a turn."""


class FindingMemo:
    """A bounded memory of findings by text, for one worker.

    ``key``: 32 random bytes of this process, so that a memory dump holds no digest that
    could be guessed from outside. ``capacity``: entries.
    """

    def __init__(self, *, key: bytes, capacity: int = 20_000) -> None:
        self._key = key
        self._capacity = capacity
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
        self._entries[name] = findings
        if len(self._entries) > self._capacity:
            self._entries.popitem(last=False)


async def screen_parts(
    screener: Screener, parts: Sequence[Part], memo: FindingMemo, snapshot: str
) -> tuple[tuple[Finding, ...], ...]:
    """Return the findings of each part, in order. Raises ``ScreeningFailed``."""
    found: list[tuple[Finding, ...]] = []
    since_yield = 0
    for part in parts:
        json_text = part.encoding is Encoding.JSON
        if len(part.text) < SHORT:
            found.append(screener.screen(part.text, json_text=json_text))
            since_yield += len(part.text)
        else:
            name = memo.name(snapshot, part)
            known = memo.get(name)
            if known is None:
                steps = screener.screen_steps(part.text, json_text=json_text)
                while True:
                    try:
                        next(steps)
                    except StopIteration as done:
                        known = done.value
                        break
                    await asyncio.sleep(0)
                    since_yield = 0
                memo.put(name, known)
                since_yield += len(part.text)
            found.append(known)
        if since_yield > SLICE:
            await asyncio.sleep(0)
            since_yield = 0
    return tuple(found)
