"""A thousand random changes of an export: each is reported, and nothing but as a failure.

The fixed seed makes every run find what the last one found; the random one, printed, looks
where none has looked.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import pytest

from guard.audit import verify
from tests.fakes.exports import compiled_ed25519, filled, packed_with, refusal_of, revealed_export

TRIES = 1000
DATA = revealed_export(*filled(12))
Draw = random.Random


def flip(draw: Draw, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 8))):
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def cut(draw: Draw, data: bytes) -> bytes:
    return data[: draw.randrange(len(data))]


def lengthen(draw: Draw, data: bytes) -> bytes:
    return data + draw.randbytes(draw.randrange(1, 40))


def remove(draw: Draw, data: bytes) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + data[at + draw.randrange(1, 40) :]


def double(draw: Draw, data: bytes) -> bytes:
    at, size = draw.randrange(len(data)), draw.randrange(1, 400)
    return data[: at + size] + data[at:]


def inside_a_member(draw: Draw, data: bytes) -> bytes:
    """Change a member and pack the whole again."""
    change = draw.choice((flip, lengthen, remove, double))

    def put(members: dict[str, bytes]) -> None:
        name = draw.choice([name for name in sorted(members) if members[name]])
        members[name] = change(draw, members[name])

    return packed_with(data, put)


def lines(draw: Draw, data: bytes) -> bytes:
    """Swap, drop or repeat a line of the entries, or swap lines of the values."""

    def put(members: dict[str, bytes]) -> None:
        name = draw.choice(("logs/default/entries.jsonl", "logs/default/revealed.jsonl"))
        found = members[name].splitlines(keepends=True)
        one, other = draw.sample(range(len(found)), 2)
        if draw.random() < 0.5 or name.endswith("revealed.jsonl"):
            found[one], found[other] = found[other], found[one]
        elif draw.random() < 0.5:
            del found[one]
        else:
            found.insert(other, found[one])
        members[name] = b"".join(found)

    return packed_with(data, put)


CHANGES: list[Callable[[Draw, bytes], bytes]] = [flip, cut, lengthen, remove, double, inside_a_member, lines]


@pytest.mark.parametrize("seed", [20261124, random.SystemRandom().randrange(2**32)], ids=["fixed", "random"])
def test_every_change_is_reported(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.stdout.write(f"seed {seed}\n")
    monkeypatch.setattr(verify, "ed25519_verify", compiled_ed25519)
    draw = random.Random(seed)
    assert refusal_of(DATA) is None
    tried = 0
    while tried < TRIES:
        change = draw.choice(CHANGES)
        changed = change(draw, DATA)
        if changed == DATA:
            continue
        assert refusal_of(changed) is not None, (seed, tried, change.__name__)
        tried += 1
