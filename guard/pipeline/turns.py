"""Long work in the event loop takes turns with everybody else's (DESIGN §5, hot path)."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

__all__ = ["SLICE", "in_turns"]

SLICE = 16_384
"""Code points worked on before other exchanges get a turn."""

Value = TypeVar("Value")


async def in_turns(steps: Generator[None, None, Value]) -> Value:
    """Run ``steps`` to their value; others run at each of their yields."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            value: Value = done.value
            return value
        await asyncio.sleep(0)
