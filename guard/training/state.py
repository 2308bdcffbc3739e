"""Where a training run stands, as arrays: what a checkpoint keeps and a model is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TrainerState"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainerState:
    """All vectors hold every trainable parameter, one after the other.

    ``done``: steps that are in the weights. ``executed``: steps that count as run, which
    after a crash are more than ``done``.
    """

    done: int
    executed: int
    weights: NDArray[np.float64]
    velocity: NDArray[np.float64]
    average: NDArray[np.float64]

    def released(self, *, averaging: float) -> NDArray[np.float32]:
        """Return the averaged weights, freed of the pull towards the zero they began at."""
        if self.done == 0:
            return self.weights.astype(np.float32)
        return np.asarray(self.average / (1 - averaging**self.done), np.float32)
