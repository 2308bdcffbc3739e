"""The law of streams (DESIGN §2): however an answer is cut, the caller gets the same.

For each answer of a grammar the caller's view of the plain answer is the reference. The
same answer is then streamed many times, cut differently each time. Under rules that
change values both views must be equal; under rules that block, what a stream gave must
be a prefix of the plain one, without anything of the value that stopped it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.environment import ROOT
from benchmarks.gateway import grammar, values
from benchmarks.gateway.answers import Choice, plain, read_plain, read_stream, streamed
from benchmarks.gateway.inside import FETCHER, WRITER, Inside, inside
from benchmarks.outcome import Fact, Measured, Outcome, Say
from guard.domain.entities import TOKEN

__all__ = ["differs", "measure", "soak", "streaming"]

CUTS = 20_000
SOAK_CUTS = 2_000_000
CUTS_OF_ONE = 20
TOOLS = (WRITER, FETCHER, "search")
BLOCKED = "content_filter"
ASKED = (
    "My mail is {}, my card {}, my number {}. The key {} is for the tool. "
    "You may link to https://ok.example.net/ where it helps."
)
BLOCKING = {"answer-payment": "block", "answer-secrets": "block"}
"""Rules of the default pack that block instead, in the half of the runs that look at blocks."""


@dataclass(slots=True)
class _Count:
    cuts: int = 0
    differences: int = 0
    blocked: int = 0


def measure(*, seed: int, say: Say) -> Outcome:
    """Cut as often as the issue asks."""
    return streaming(cuts=CUTS, seed=seed, say=say)


def soak(*, seed: int, say: Say) -> Outcome:
    """Cut for hours."""
    return streaming(cuts=SOAK_CUTS, seed=seed, say=say)


def streaming(*, cuts: int, seed: int, say: Say) -> Outcome:
    """Cut streams ``cuts`` times, half of them under rules that block."""
    count = _Count()
    source = random.Random(seed)
    for screening in (None, _blocking()):
        goal = cuts if screening else cuts // 2
        with inside(screening=screening) as gate:
            asyncio.run(_until(gate, source, goal, count, say))
    return Outcome(
        measured=(
            Measured(bar="cuts", value=count.cuts),
            Measured(bar="differences", value=count.differences),
        ),
        facts=(Fact(what="streams that a rule stopped", value=count.blocked, unit="streams"),),
    )


def _blocking() -> bytes:
    """Return the default pack's rules, with some that block."""
    lines = (ROOT / "policies" / "default" / "screening.yaml").read_text(encoding="utf-8").splitlines()
    rule = ""
    for number, line in enumerate(lines):
        name, _, value = line.strip().removeprefix("- ").partition(": ")
        rule = value if name == "name" else rule
        if name == "action" and rule in BLOCKING:
            lines[number] = line.replace(value, BLOCKING[rule])
    return "\n".join(lines).encode()


async def _until(gate: Inside, source: random.Random, goal: int, count: _Count, say: Say) -> None:
    while count.cuts < goal:
        await _one(gate, source, count)
        if count.cuts % (CUTS_OF_ONE * 100) == 0:
            say(f"{count.cuts:,} cuts, {count.differences} differences")


async def _one(gate: Inside, source: random.Random, count: _Count) -> None:
    """Take one answer: plain once, then streamed in many cuts."""
    kinds = ("EMAIL_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER", "GITHUB_TOKEN")
    asked = ASKED.format(*(values.make(source, kind)[1] for kind in kinds))
    number = source.getrandbits(64)
    said: list[Choice] = []

    def told(body: bytes) -> Sequence[bytes]:
        said[:] = grammar.choices(random.Random(number), _tokens(body), TOOLS)
        return plain(said)

    whole = read_plain(await gate.answer(_request(asked, stream=False), told))
    for _ in range(CUTS_OF_ONE):
        body = _request(asked, stream=True)
        got = read_stream(await gate.answer(body, lambda _: streamed(source, said)), len(said))
        count.cuts += 1
        count.differences += any(map(differs, said, whole, got))
        count.blocked += any(choice.reason == BLOCKED for choice in got)


def _request(asked: str, *, stream: bool) -> bytes:
    message = {"role": "user", "content": asked}
    return json.dumps({"model": "bench-model", "messages": [message], "stream": stream}).encode()


def _tokens(body: bytes) -> list[str]:
    """Return the surrogates that the provider got to see."""
    return list(dict.fromkeys(found.group() for found in TOKEN.finditer(body.decode())))


def differs(said: Choice, whole: Choice, got: Choice) -> bool:
    """Whether a stream broke the law for a choice that the provider ``said``."""
    if whole.reason != BLOCKED:
        return got != whole
    if got.reason != BLOCKED or got.calls:
        return True
    return any(
        not whole.texts.get(name, "").startswith(text)
        for name, text in got.texts.items()
        if name in said.texts
    )
