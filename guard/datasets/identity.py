"""Who a dataset is: a digest of its rows in any order, and a sketch that finds shared rows.

A copy shares its parent's privacy budget, so a copy must be recognised: shuffled, converted
to another format, with its columns reordered. The digest adds the rows' hashes (a multiset
hash); the sketch keeps the smallest keyed hashes (bottom-k), which estimate what two
datasets have in common without revealing a row.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappush, heappushpop

__all__ = ["SKETCH", "RowsDigest", "Sketch", "shared_fraction"]

SKETCH = 512
"""Hashes in a sketch; a shared fraction of 2 % is missed with a chance of 3e-5."""
MODULUS = 1 << 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """The smallest row hashes of a dataset, rising. ``rows``: how many there were in all."""

    rows: int
    smallest: tuple[int, ...]


class RowsDigest:
    """Takes rows one by one. ``key``: 32 bytes that keep the sketch from being searched."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._sum = 0
        self._rows = 0
        self._largest_first: list[int] = []

    def add(self, values: Mapping[str, str | int | float | None]) -> None:
        """Take one row; columns may come in any order, numbers count as they are written."""
        plain = json.dumps(
            sorted((name, "" if value is None else str(value)) for name, value in values.items()),
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        self._sum = (self._sum + int.from_bytes(hashlib.sha512(plain).digest(), "big")) % MODULUS
        self._rows += 1
        mark = int.from_bytes(hmac.digest(self._key, plain, "sha256")[:8], "big")
        if len(self._largest_first) < SKETCH:
            heappush(self._largest_first, -mark)
        else:
            heappushpop(self._largest_first, -mark)

    def identity(self) -> str:
        """Return ``sha256:<hex>`` of the sum and the number of rows."""
        whole = self._sum.to_bytes(64, "big") + self._rows.to_bytes(8, "big")
        return "sha256:" + hashlib.sha256(b"guard/dataset\n" + whole).hexdigest()

    def sketch(self) -> Sketch:
        """Return the sketch of what was taken."""
        return Sketch(rows=self._rows, smallest=tuple(sorted(-mark for mark in self._largest_first)))


def shared_fraction(one: Sketch, other: Sketch) -> float:
    """Estimate the rows that two datasets share, over the rows of the smaller one.

    Source: Beyer et al., SIGMOD 2007 (bottom-k: the k smallest of the union are a uniform
    sample of it).
    """
    union = sorted(set(one.smallest) | set(other.smallest))
    # Beyond the end of a full sketch nothing is known of its dataset.
    known = min(_horizon(one), _horizon(other))
    sample = [mark for mark in union if mark <= known]
    if not sample:
        return 0.0
    both = set(one.smallest) & set(other.smallest)
    jaccard = sum(mark in both for mark in sample) / len(sample)
    shared = jaccard * (one.rows + other.rows) / (1 + jaccard)
    return min(1.0, shared / max(1, min(one.rows, other.rows)))


def _horizon(sketch: Sketch) -> int:
    return sketch.smallest[-1] if len(sketch.smallest) == SKETCH else (1 << 64) - 1
