"""An exchange prints nothing, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from guard.errors import AuditUnavailable, UpstreamRejected
from tests.fakes.upstream import Answer
from tests.unit.pipeline.house import EMAIL, House, chat, done


def _as_it_should(house: House) -> None:
    """Change nothing."""


def _rejected(house: House) -> None:
    def reject(body: bytes) -> Answer:
        raise UpstreamRejected(f"no: {EMAIL}", status=500)

    house.upstream.behaviours["a"] = reject


def _unreadable(house: House) -> None:
    house.upstream.behaviours["a"] = lambda body: Answer([b"not JSON: ", body])


def _broken(house: House) -> None:
    def break_down(body: bytes) -> Answer:
        raise ValueError(f"cannot convert {EMAIL}")

    house.upstream.behaviours["a"] = break_down


def _unrecorded(house: House) -> None:
    house.recorder.faults["exchange.intent"] = [AuditUnavailable(f"disk full while writing {EMAIL}")]


WAYS = [_as_it_should, _rejected, _unreadable, _broken, _unrecorded]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("prepare", WAYS)
def test_nothing_is_printed(
    capfd: pytest.CaptureFixture[str], prepare: Callable[[House], None], stream: bool
) -> None:
    house = House()
    prepare(house)

    async def ask() -> None:
        result = await house.ask(chat(f"Write to {EMAIL}", stream=stream))
        if result.reply is not None:
            await done(result)

    asyncio.run(ask())
    assert capfd.readouterr() == ("", "")
