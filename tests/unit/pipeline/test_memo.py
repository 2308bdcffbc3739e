"""Findings are remembered by text under a keyed name, within a bound, in turns with other exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import pytest

from guard.domain.exchange import Encoding, Part, PartKind
from guard.domain.finding import Finding
from guard.pipeline.memo import FindingMemo, screen_parts
from guard.pipeline.turns import in_turns
from guard.screening.engine import Screener, compile_screener

LONG = "Write to maria.gomez@kestrel-labs.com about the meeting in Paris on Friday, please."


class CountingScreener(Screener):
    """Counts what it looks at."""

    def __init__(self) -> None:
        super().__init__(compile_screener()._thresholds)
        self.looked: list[str] = []

    def screen_steps(
        self, text: str, *, json_text: bool = False
    ) -> Generator[None, None, tuple[Finding, ...]]:
        self.looked.append(text)
        return super().screen_steps(text, json_text=json_text)


def part(text: str, *, encoding: Encoding = Encoding.TEXT) -> Part:
    """Return a part."""
    return Part(index=0, position="x", text=text, kind=PartKind.SCREENED, encoding=encoding, by_caller=True)


def screened(screener: Screener, memo: FindingMemo, *parts: Part, snapshot: str = "s1") -> list[list[str]]:
    """Return the types found in each part."""
    found = asyncio.run(screen_parts(screener, parts, memo, snapshot))
    return [[finding.entity_type for finding in group] for group in found]


def test_a_long_text_is_looked_at_once_and_a_short_one_each_time() -> None:
    screener, memo = CountingScreener(), FindingMemo(key=bytes(32))
    for _ in range(3):
        assert screened(screener, memo, part(LONG), part("a@kestrel-labs.com")) == [["EMAIL_ADDRESS"]] * 2
    assert screener.looked.count(LONG) == 1


def test_another_snapshot_or_another_way_of_writing_is_looked_at_anew() -> None:
    screener, memo = CountingScreener(), FindingMemo(key=bytes(32))
    screened(screener, memo, part(LONG))
    screened(screener, memo, part(LONG), snapshot="s2")
    screened(screener, memo, part(LONG, encoding=Encoding.JSON))
    screened(screener, memo, part(LONG + " "))
    assert screener.looked == [LONG, LONG, LONG, LONG + " "]


def test_names_are_keyed_and_hold_no_text() -> None:
    first, second = (FindingMemo(key=bytes([n]) * 32).name("s", part(LONG)) for n in range(2))
    assert first != second and len(first) == 24
    assert FindingMemo(key=bytes(32)).name("s", part(LONG)) == first


def finding() -> Finding:
    """Return a finding."""
    return Finding(entity_type="JWT", start=0, end=1, score=1.0, recognizer="t")


def test_the_memory_is_bounded_by_texts_and_findings_and_forgets_the_longest_unused() -> None:
    memo = FindingMemo(key=bytes(32), capacity=4)
    names = [bytes([n]) for n in range(5)]
    memo.put(names[0], ())
    memo.put(names[1], (finding(),))
    memo.put(names[2], ())
    assert memo.get(names[0]) == ()
    memo.put(names[3], ())
    assert [memo.get(name) is not None for name in names] == [True, False, True, True, False]
    memo.put(names[4], (finding(),) * 9)
    assert [memo.get(name) is not None for name in names] == [False] * 5


def test_to_remember_twice_takes_no_room_twice() -> None:
    memo = FindingMemo(key=bytes(32), capacity=3)
    for _ in range(9):
        memo.put(b"a", (finding(),))
    memo.put(b"b", ())
    assert memo.get(b"a") == (finding(),) and memo.get(b"b") == ()


async def turns_of_others(work: asyncio.Future[object]) -> int:
    """Count how often others had a turn before the work was done."""
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    return turns


def turns(*parts: Part) -> int:
    """Return how often others had a turn while parts were screened."""

    async def scenario() -> int:
        memo = FindingMemo(key=bytes(32))
        return await turns_of_others(
            asyncio.ensure_future(screen_parts(compile_screener(), parts, memo, "s"))
        )

    return asyncio.run(scenario())


def test_long_texts_and_many_short_ones_let_others_run() -> None:
    assert turns(part("x")) <= 3
    assert turns(part("word " * 20_000)) > 20
    assert turns(*[part("x")] * 5000) > 15
    assert turns(*[part("y" * 60)] * 1000) > 5


def test_work_in_turns_gives_its_value_and_its_error() -> None:
    def counting() -> Generator[None, None, int]:
        for _ in range(3):
            yield
        return 7

    def failing() -> Generator[None, None, int]:
        yield
        raise ValueError("no")

    assert asyncio.run(in_turns(counting())) == 7
    with pytest.raises(ValueError, match="no"):
        asyncio.run(in_turns(failing()))
