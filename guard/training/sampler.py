"""Poisson sampling: each unit is in each batch with exactly the probability that is accounted.

A unit is taken if its 64-bit word lies below a threshold, so the rate is met to 2^-64 and
never exceeded, whatever the expected batch (N = 500 with a batch of 499 is .998). Batches
may be empty; an empty batch is a step like any other.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guard.training.keystream import Keystream

__all__ = ["PoissonSampler", "Sampler"]

RANGE = 1 << 64


class Sampler(Protocol):
    """Chooses the units of each step."""

    def draw(self) -> NDArray[np.intp]:
        """Return the positions of the units of the next step, rising."""
        ...


class PoissonSampler:
    """Takes each of ``units`` units with probability ``rate``, independently, anew in each step."""

    def __init__(self, *, rate: float, units: int) -> None:
        if not 0 < rate <= 1 or units < 0:
            raise ValueError("a sample rate is above 0 and at most 1")
        self._threshold = int(Fraction(rate) * RANGE)
        self._units = units
        self._stream = Keystream()

    def draw(self) -> NDArray[np.intp]:
        """Return the positions of the units of the next step, rising."""
        words = self._stream.words(self._units)
        if self._threshold == RANGE:
            return np.arange(self._units)
        return np.flatnonzero(words < np.uint64(self._threshold))
