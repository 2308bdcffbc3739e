"""Random bytes of the operating system, drawn in larger pieces.

A call to the kernel costs as much as sealing a value does, and every record needs several
short pieces. Bytes are handed out once and never kept after that.
"""

from __future__ import annotations

import os
import threading

__all__ = ["Entropy", "random_bytes"]

PIECE = 4096


class Entropy:
    """Safe to use from several threads; a forked child draws anew."""

    def __init__(self) -> None:
        self._forget()
        # Also the lock: another thread may hold it at the moment of the fork.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Return ``size`` random bytes."""
        with self._lock:
            if self._at + size > len(self._bytes):
                self._bytes = os.urandom(max(PIECE, size))
                self._at = 0
            taken = self._bytes[self._at : self._at + size]
            self._at += size
            return taken


random_bytes = Entropy().take
