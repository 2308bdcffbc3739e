"""Long work in the event loop takes turns with everybody else's (DESIGN §5, hot path).

Work that goes on for long rests as long as it worked, so that one large body takes at most
half of a worker and the others find it idle when they come.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import TypeVar

__all__ = ["SLICE", "in_turns"]

SLICE = 16_384
"""Code points worked on before other exchanges get a turn."""

SHORT_SECONDS = 0.004
"""Work that is done within this time only lets others have their turns in between."""

REST_SECONDS = 0.002
"""How much of longer work is done before it rests; the event loop's timers count milliseconds."""

Value = TypeVar("Value")


async def in_turns(steps: Generator[None, None, Value]) -> Value:
    """Run ``steps`` to their value; others run at each of their yields."""
    worked = total = 0.0
    while True:
        began = time.perf_counter()
        try:
            next(steps)
        except StopIteration as done:
            value: Value = done.value
            return value
        spent = time.perf_counter() - began
        worked, total = worked + spent, total + spent
        if total > SHORT_SECONDS and worked > REST_SECONDS:
            await asyncio.sleep(worked)
            worked = 0.0
        else:
            await asyncio.sleep(0)
