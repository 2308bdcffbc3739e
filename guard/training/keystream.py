"""Random bits from AES-256 in counter mode under a key that the operating system drew.

There is no way to pass a seed: noise that can be drawn twice can be subtracted. A key
lives as long as the object that holds it, in one process; a forked child draws its own.
"""

from __future__ import annotations

import os

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from numpy.typing import NDArray

__all__ = ["SOURCE", "Keystream"]

SOURCE = "AES-256-CTR under a key of the operating system, new at every start"
WORD = 8


class Keystream:
    """Hands out bits, each once. Belongs to one thread."""

    def __init__(self) -> None:
        self._rekey()

    def _rekey(self) -> None:
        # The counter may begin at zero, because no key is ever used by two streams.
        self._cipher = Cipher(AES(os.urandom(32)), CTR(bytes(16))).encryptor()
        self._owner = os.getpid()

    def words(self, count: int) -> NDArray[np.uint64]:
        """Return ``count`` uniform 64-bit words."""
        if self._owner != os.getpid():
            self._rekey()
        return np.frombuffer(self._cipher.update(bytes(WORD * count)), dtype=np.uint64)
