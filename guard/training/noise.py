"""Gaussian noise from the keystream by the Box-Muller transform, in double precision.

Not covered, and said so in every certificate: what the rounding of floating-point numbers
itself may reveal (Mironov, CCS 2012).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from guard.training.keystream import Keystream

__all__ = ["GaussianNoise", "Noise"]

DROPPED_BITS = np.uint64(11)
UNIT = 2.0**-53


class Noise(Protocol):
    """Draws what is added to a sum of gradients."""

    def draw(self, count: int) -> NDArray[np.float64]:
        """Return ``count`` values, never the same ones again."""
        ...


class GaussianNoise:
    """Independent normal values with mean 0 and standard deviation ``deviation``."""

    def __init__(self, *, deviation: float) -> None:
        self._deviation = deviation
        self._stream = Keystream()

    def draw(self, count: int) -> NDArray[np.float64]:
        """Return ``count`` values, never the same ones again."""
        pairs = (count + 1) // 2
        words = self._stream.words(2 * pairs) >> DROPPED_BITS
        uniform = (words.astype(np.float64) + 0.5) * UNIT  # never 0, so its logarithm is finite
        radius = self._deviation * np.sqrt(-2.0 * np.log(uniform[:pairs]))
        angle = 2.0 * np.pi * uniform[pairs:]
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
