"""XAES-256-GCM envelopes (C2SP XAES-256-GCM): shared keys whose nonces cannot repeat.

A 24-byte nonce: its first half picks an AES-256-GCM key, its second half is that key's
nonce. Both halves are random; the first is kept for a few messages, which saves deriving
a key for each and leaves collisions as unlikely. Format: version byte 0x01, nonce,
ciphertext with tag.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from guard.errors import DecryptionFailed
from guard.keys.entropy import random_bytes

__all__ = ["Envelope"]

VERSION = b"\x01"
NONCE = 24
TAG = 16
MESSAGES = 64
"""Messages under one half nonce; 2^32 would still be sound (NIST SP 800-38D §8.3)."""


class Envelope:
    """Seals and opens under one 32-byte key. Safe to share between threads with a lock only."""

    __slots__ = ("_block", "_current", "_k1", "_left")

    def __init__(self, key: bytes) -> None:
        if len(key) != 32:  # noqa: PLR2004 (AES-256)
            raise ValueError("an envelope key has 32 bytes")
        # A single-block cipher is what the construction asks for: CMAC over two fixed blocks.
        self._block = Cipher(AES(key), ECB()).encryptor()  # noqa: S305 (a building block, not a mode of encryption)
        zero = int.from_bytes(self._block.update(bytes(16)), "big")
        doubled = (zero << 1) & ((1 << 128) - 1)
        self._k1 = doubled ^ (0x87 if zero >> 127 else 0)
        self._current: tuple[bytes, AESGCM] | None = None
        self._left = 0

    def _message_cipher(self, nonce: bytes) -> AESGCM:
        blocks = b"".join(
            (int.from_bytes(b"\x00" + number + b"X\x00" + nonce[:12], "big") ^ self._k1).to_bytes(16, "big")
            for number in (b"\x01", b"\x02")
        )
        return AESGCM(self._block.update(blocks))

    def _sealing(self) -> tuple[bytes, AESGCM]:
        """Return the half nonce of now and its cipher."""
        if self._current is None or self._left == 0:
            half = random_bytes(NONCE // 2)
            self._current = half, self._message_cipher(half)
            self._left = MESSAGES
        self._left -= 1
        return self._current

    def seal(self, plaintext: bytes, associated: bytes, *, nonce: bytes | None = None) -> bytes:
        """Encrypt ``plaintext``, bound to ``associated``; ``nonce`` is given only in tests."""
        if nonce is None:
            half, cipher = self._sealing()
            nonce = half + random_bytes(NONCE // 2)
        else:
            cipher = self._message_cipher(nonce)
        return VERSION + nonce + cipher.encrypt(nonce[12:], plaintext, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Decrypt. Raises ``DecryptionFailed`` for anything that was not sealed so."""
        if sealed[:1] != VERSION or len(sealed) < 1 + NONCE + TAG:
            raise DecryptionFailed
        nonce = sealed[1 : 1 + NONCE]
        try:
            return self._message_cipher(nonce).decrypt(nonce[12:], sealed[1 + NONCE :], associated)
        except InvalidTag:
            raise DecryptionFailed from None
