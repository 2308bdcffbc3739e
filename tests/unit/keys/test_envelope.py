"""Envelopes: the published vectors, a nonce never twice, and one answer to every tampering."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.errors import DecryptionFailed
from guard.keys.envelope import MESSAGES, Envelope

KEY = bytes(range(32))
NONCE = b"ABCDEFGHIJKLMNOPQRSTUVWX"

# C2SP XAES-256-GCM (C2SP/C2SP, XAES-256-GCM.md), both test vectors; the second sets the top bit of L.
PUBLISHED = {
    "without associated data": (
        b"\x01" * 32,
        b"",
        "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271",
    ),
    "with associated data": (
        b"\x03" * 32,
        b"c2sp.org/XAES-256-GCM",
        "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d",
    ),
}
# The accumulated vector of the same document: 10 000 random messages in one hash.
ACCUMULATED = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"


@pytest.mark.parametrize(("key", "associated", "expected"), PUBLISHED.values(), ids=PUBLISHED)
def test_the_vectors_of_c2sp(key: bytes, associated: bytes, expected: str) -> None:
    sealed = Envelope(key).seal(b"XAES-256-GCM", associated, nonce=NONCE)
    assert sealed == b"\x01" + NONCE + bytes.fromhex(expected)
    assert Envelope(key).open(sealed, associated) == b"XAES-256-GCM"


class Stream:
    """Reads a SHAKE128 output piece by piece."""

    def __init__(self, size: int) -> None:
        self._data = hashlib.shake_128().digest(size)
        self._at = 0

    def take(self, size: int) -> bytes:
        self._at += size
        return self._data[self._at - size : self._at]

    def vector(self) -> bytes:
        return self.take(self.take(1)[0])


def test_the_accumulated_vector_of_c2sp() -> None:
    stream, total = Stream(10_000 * 700), hashlib.shake_128()
    for _ in range(10_000):
        key, nonce = stream.take(32), stream.take(24)
        plaintext, associated = stream.vector(), stream.vector()
        total.update(Envelope(key).seal(plaintext, associated, nonce=nonce)[25:])
    assert total.hexdigest(32) == ACCUMULATED


@given(st.binary(max_size=300), st.binary(max_size=60))
def test_what_was_sealed_opens(plaintext: bytes, associated: bytes) -> None:
    envelope = Envelope(KEY)
    sealed = envelope.seal(plaintext, associated)
    assert Envelope(KEY).open(sealed, associated) == plaintext
    assert len(sealed) == 1 + 24 + len(plaintext) + 16


def test_no_nonce_comes_twice_and_half_a_nonce_serves_few_messages() -> None:
    """What may not repeat is the whole nonce: its first half picks the key, its second is that key's."""
    envelope = Envelope(KEY)
    nonces = [envelope.seal(b"", b"")[1:25] for _ in range(MESSAGES * 200)]
    assert len(set(nonces)) == len(nonces)
    halves = [nonce[:12] for nonce in nonces]
    assert len(set(halves)) == 200
    assert sum(before != after for before, after in pairwise(halves)) == 199
    assert len({nonce[12:] for nonce in nonces}) == len(nonces)


def test_two_envelopes_of_one_key_do_not_share_nonces() -> None:
    first, second = Envelope(KEY), Envelope(KEY)
    assert not {first.seal(b"", b"")[1:25] for _ in range(500)} & {
        second.seal(b"", b"")[1:25] for _ in range(500)
    }


def tamperings() -> dict[str, tuple[bytes, bytes, bytes]]:
    """Return key, ciphertext and associated data of everything that was not sealed so."""
    sealed = Envelope(KEY).seal(b"value", b"here")
    cases = {
        f"bit {bit} of byte {at}": (
            KEY,
            sealed[:at] + bytes([sealed[at] ^ 1 << bit]) + sealed[at + 1 :],
            b"here",
        )
        for at in range(len(sealed))
        for bit in (0, 7)
    }
    cases |= {f"cut to {size}": (KEY, sealed[:size], b"here") for size in range(len(sealed))}
    return cases | {
        "lengthened": (KEY, sealed + b"\x00", b"here"),
        "another place": (KEY, sealed, b"there"),
        "no place": (KEY, sealed, b""),
        "another key": (bytes(32), sealed, b"here"),
    }


def test_every_tampering_gets_the_same_answer() -> None:
    answers = set()
    for name, (key, sealed, associated) in tamperings().items():
        with pytest.raises(DecryptionFailed) as refused:
            Envelope(key).open(sealed, associated)
        answers.add((refused.value.message, refused.value.code, refused.value.__cause__, str(refused.value)))
        assert refused.value.__suppress_context__ or refused.value.__context__ is None, name
    assert answers == {("decryption failed", "decryption_failed", None, "decryption failed")}


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Envelope(bytes(size))
