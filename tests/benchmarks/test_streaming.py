"""gateway.streaming with 1/50 of its cuts, and faults of the gate that it must see."""

from __future__ import annotations

import random

import pytest

from benchmarks.gateway import grammar, streaming
from benchmarks.gateway.answers import Choice, plain, read_plain, read_stream, streamed
from guard.screening.engine import Screener
from guard.screening.incremental import Incremental, Settled


def _differences(seed: int, cuts: int) -> float:
    outcome = streaming.streaming(cuts=cuts, seed=seed, say=print)
    measured = {one.bar: one.value for one in outcome.measured}
    assert measured["cuts"] >= cuts
    assert outcome.facts[0].value > 0, "no stream was stopped, so blocks were not tried"
    return measured["differences"]


def test_streams_equal_the_whole_answer_however_they_are_cut(seed: int) -> None:
    assert _differences(seed, streaming.CUTS // 50) == 0


def test_a_gate_that_settles_every_piece_at_once_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def feed(self: Incremental, chunk: str) -> Settled:
        screener: Screener = self._screener
        return Settled(text=chunk, findings=screener.screen(chunk))

    monkeypatch.setattr(Incremental, "feed", feed)
    monkeypatch.setattr(Incremental, "close", lambda self, chunk="": feed(self, chunk))
    assert _differences(3, 200) > 0


def test_what_is_streamed_is_what_would_have_been_said_whole(seed: int) -> None:
    source = random.Random(seed)
    for _ in range(50):
        said = grammar.choices(source, ["EMLX0123456789AB"], ["search"])
        body = b"".join(streamed(source, said))
        for ending in (b"\r\n\r\n", b"\n: comment\n\n"):
            body = body.replace(ending, b"\n\n")
        assert read_stream(body, len(said)) == read_plain(plain(said)[0]) == said


WHOLE = Choice(texts={"content": "before", "refusal": "stopped"}, reason="content_filter")
SAID = Choice(texts={"content": "before 4111"}, reason="stop")


@pytest.mark.parametrize(
    ("got", "broken"),
    [
        pytest.param(Choice(texts={"content": "bef"}, reason="content_filter"), False, id="a prefix"),
        pytest.param(Choice(texts={"content": "before"}, reason="content_filter"), False, id="all of it"),
        pytest.param(Choice(texts={"content": "before 4"}, reason="content_filter"), True, id="more"),
        pytest.param(Choice(texts={"content": "before"}, reason="stop"), True, id="a clean end"),
        pytest.param(Choice(texts={"content": "before"}), True, id="no end"),
    ],
)
def test_a_stopped_stream_may_say_a_prefix_and_nothing_else(got: Choice, broken: bool) -> None:
    assert streaming.differs(SAID, WHOLE, got) is broken
