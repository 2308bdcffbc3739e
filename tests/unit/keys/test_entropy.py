"""Entropy: no byte is handed out twice, neither to two threads nor to two processes."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from guard.keys.entropy import Entropy

WORD = 4

FORKS = """
import os, sys
from guard.keys.entropy import Entropy
entropy = Entropy()
entropy.take(100)
entropy._lock.acquire()  # as another thread may hold it at the moment of the fork
reading, writing = os.pipe()
for _ in range(3):
    if os.fork() == 0:
        os.write(writing, entropy.take(16).hex().encode() + b"\\n")
        os._exit(0)
for _ in range(3):
    os.wait()
entropy._lock.release()
os.write(writing, entropy.take(16).hex().encode() + b"\\n")
os.close(writing)
sys.stdout.write(os.fdopen(reading).read())
"""


def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system give numbers in place of random bytes, so that a repetition shows."""
    words = itertools.count()

    def urandom(size: int) -> bytes:
        return b"".join(next(words).to_bytes(WORD, "big") for _ in range(-(-size // WORD)))[:size]

    monkeypatch.setattr(os, "urandom", urandom)


@pytest.mark.parametrize("size", [1, 4, 16, 24, 4096, 5000])
def test_it_gives_what_is_asked_for(size: int) -> None:
    entropy = Entropy()
    pieces = [entropy.take(size) for _ in range(20)]
    assert {len(piece) for piece in pieces} == {size}
    if size >= 16:
        assert len(set(pieces)) == 20


def test_the_system_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    true_urandom = os.urandom

    def urandom(size: int) -> bytes:
        calls.append(size)
        return true_urandom(size)

    monkeypatch.setattr(os, "urandom", urandom)
    entropy = Entropy()
    for _ in range(256):
        entropy.take(16)
    assert calls == [4096]


def test_one_byte_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch)
    entropy = Entropy()
    words = [int.from_bytes(entropy.take(WORD), "big") for _ in range(3000)]
    assert words == list(range(3000))


def test_threads_share_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch)
    entropy = Entropy()
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: [entropy.take(WORD) for _ in range(1000)], range(8)))
    words = [int.from_bytes(word, "big") for piece in taken for word in piece]
    assert sorted(words) == list(range(8000))


def test_forked_children_share_nothing_and_do_not_hang() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, timeout=60, check=True
    )
    pieces = done.stdout.split()
    assert len(pieces) == len(set(pieces)) == 4
