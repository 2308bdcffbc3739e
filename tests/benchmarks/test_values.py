"""The made-up values and texts of the benchmarks are what they say, or nothing is measured."""

from __future__ import annotations

import json
import random

import pytest

from benchmarks.gateway import values
from benchmarks.gateway.chat import Kind, Pool, hostile, prose
from guard.screening.engine import compile_screener

SCREENER = compile_screener()


@pytest.mark.parametrize("kind", values.KINDS)
def test_a_value_is_found_whole_and_as_its_type(kind: str, seed: int) -> None:
    source = random.Random(seed)
    for _ in range(40):
        value = values.make(source, kind)[1]
        text = f"Here it is: {value} , thank you."
        found = [
            (one.entity_type, text[one.start : one.end])
            for one in SCREENER.screen(text)
            if one.entity_type == kind
        ]
        assert found == [(kind, value)]


@pytest.mark.parametrize("size", [1024, 20 * 1024])
def test_prose_has_the_size_and_personal_data(size: int, seed: int) -> None:
    text = prose(random.Random(seed), size)
    assert size <= len(text.encode()) < size + 512
    assert len(SCREENER.screen(text)) >= 3


def test_no_two_bodies_of_a_pool_are_alike() -> None:
    bodies = Pool.make(random.Random(1), Kind.FRESH, size=1024, stream=True, count=8).bodies(40)
    drawn = [next(bodies) for _ in range(100)]
    assert len(set(drawn)) == 100
    assert all(json.loads(body)["stream"] for body in drawn)


def test_a_conversation_differs_from_its_earlier_self_in_the_last_message_only() -> None:
    bodies = Pool.make(random.Random(1), Kind.CHAT, size=20 * 1024, stream=False, count=2).bodies(0)
    first, _, again = (json.loads(next(bodies))["messages"] for _ in range(3))
    assert len(first) == 21
    assert first[:-1] == again[:-1]
    assert first[-1] != again[-1]
    assert 19 * 1024 < len(json.dumps(first, ensure_ascii=False).encode()) < 25 * 1024


@pytest.mark.parametrize("form", range(20))
def test_a_hostile_text_has_its_size(form: int) -> None:
    assert 0.8 * 2**20 < len(hostile(random.Random(1), form, 2**20)) <= 2**20 + 64
