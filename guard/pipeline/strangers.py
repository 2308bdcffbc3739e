"""Failed authentications, aggregated: one leaf a minute and reason in the log ``system``.

Strangers must not be able to fill the disk, so nothing is written per request. Memory is
bounded too: of the addresses only the first few of each minute are kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from guard.domain.canonical import Json
from guard.domain.event import Record, Recorder
from guard.errors import GuardError

__all__ = ["Strangers"]

ADDRESSES = 16


@dataclass(slots=True)
class _Minute:
    count: int = 0
    addresses: list[Json] = field(default_factory=list)


class Strangers:
    """Counts failed authentications until the next flush."""

    def __init__(self) -> None:
        self._reasons: dict[str, _Minute] = {}

    def note(self, reason: str, address: str) -> None:
        """Count one failure. ``reason`` is an error code, of which there are few."""
        minute = self._reasons.setdefault(reason, _Minute())
        minute.count += 1
        if len(minute.addresses) < ADDRESSES and address not in minute.addresses:
            minute.addresses.append(address)

    async def flush(self, recorder: Recorder) -> None:
        """Record what has been counted; what cannot be recorded is counted on."""
        for reason in sorted(self._reasons):
            minute = self._reasons.pop(reason)
            try:
                await recorder.append(_record(reason, minute))
            except GuardError:
                self._add(reason, minute)
                raise

    def _add(self, reason: str, minute: _Minute) -> None:
        later = self._reasons.setdefault(reason, _Minute())
        later.count += minute.count
        later.addresses = [*minute.addresses, *later.addresses][:ADDRESSES]

    async def watch(
        self,
        recorder: Recorder,
        *,
        seconds: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Flush every ``seconds`` until cancelled."""
        while True:
            await sleep(seconds)
            try:
                await self.flush(recorder)
            except Exception as error:  # noqa: BLE001 (counting goes on when the log is away; the fault is reported)
                failed(error)


def _record(reason: str, minute: _Minute) -> Record:
    return Record(
        tenant="system",
        type="auth.failed",
        fields={"count": minute.count, "reason": reason},
        sealed={"address": minute.addresses},
    )
