"""Is the noise as large, as independent and as new as promised? Is each batch a Poisson sample?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from guard.training.checks import Check
from guard.training.sampler import Sampler
from guard.training.selftest.bench import SIGNIFICANCE, Bench
from guard.training.significance import binomial_p, chi_square_p, normal_p

__all__ = ["noise_check", "sampling_check"]

VALUES = 8192
LEAST_STEPS = 16
CANARIES = 32
UNITS = 4000
DRAWS = 400
Z_LIMIT = 7.0
"""For variances of counts, which are only nearly normal; what is no sample is dozens away."""


def noise_check(bench: Bench) -> Check:
    """Look at steps of units without a gradient, so that nothing but noise is left."""
    noise = _noise(bench)
    steps, size = noise.shape
    flat = noise.ravel()
    each = [chi_square_p(float(np.square(column).sum()), steps) for column in noise.T]
    again = np.concatenate([flat, _noise(bench).ravel()])
    figures = {
        "values": float(flat.size),
        "deviation": float(flat.std()),
        "p_variance": chi_square_p(float(np.square(flat).sum()), flat.size),
        "p_mean": normal_p(float(flat.sum()) / flat.size**0.5),
        "p_next_value": normal_p(float(flat[:-1] @ flat[1:]) / (flat.size - 1) ** 0.5),
        "p_next_step": normal_p(float((noise[:-1] * noise[1:]).sum()) / (size * (steps - 1)) ** 0.5),
        "p_parameter": min(1.0, size * min(each)),
        "repeated": float(again.size - np.unique(again).size),
    }
    return Check(name="noise", passed=_likely(figures) and not figures["repeated"], figures=figures)


def _likely(figures: Mapping[str, float]) -> bool:
    """Whether chance explains every p-value of a check."""
    return min(value for name, value in figures.items() if name.startswith("p_")) >= SIGNIFICANCE


def _noise(bench: Bench) -> NDArray[np.float64]:
    """Return the noise of a new start, one row a step, in standard deviations of the plan."""
    units = bench.silent_units(CANARIES)
    trainer = bench.trainer(units)
    steps = max(LEAST_STEPS, -(-VALUES // (bench.width * bench.classes)))
    rows = np.stack([trainer.gradient().cpu().numpy() for _ in range(steps)])
    return np.asarray(rows * bench.expected(units) / bench.plan.deviation, np.float64)


def sampling_check(bench: Bench) -> Check:
    """Look at many draws from many units: sizes, inclusions, what follows what, two starts."""
    rate = bench.plan.mechanism.sample_rate
    first, second = (bench.parts(bench.plan, bench.model(), UNITS).sampler for _ in range(2))
    masks = _masks(first, DRAWS)
    sizes, inclusions = masks.sum(axis=1), masks.sum(axis=0)
    if rate == 1:
        return Check(name="sampling", passed=bool((sizes == UNITS).all()), figures={"rate": 1.0})
    figures = {
        "rate": float(masks.mean()),
        "size_variance": float(sizes.var() / (UNITS * rate * (1 - rate))),
        "p_rate": binomial_p(int(sizes.sum()), UNITS * DRAWS, rate),
        "p_next_batch": _p_overlap(masks[::2], masks[1::2], rate),
        "p_other_start": _p_overlap(masks, _masks(second, DRAWS), rate),
        "z_size_variance": _z_variance(sizes, UNITS, rate),
        "z_inclusion_variance": _z_variance(inclusions, DRAWS, rate),
    }
    furthest = max(abs(value) for name, value in figures.items() if name.startswith("z_"))
    return Check(name="sampling", passed=_likely(figures) and furthest <= Z_LIMIT, figures=figures)


def _masks(sampler: Sampler, draws: int) -> NDArray[np.bool_]:
    masks = np.zeros((draws, UNITS), np.bool_)
    for mask in masks:
        mask[sampler.draw()] = True
    return masks


def _p_overlap(one: NDArray[np.bool_], other: NDArray[np.bool_], rate: float) -> float:
    return binomial_p(int((one & other).sum()), one.size, rate**2)


def _z_variance(counts: NDArray[np.int64], trials: int, rate: float) -> float:
    """Return how far the squared deviations of binomial counts are from what they should be."""
    variance = trials * rate * (1 - rate)
    squares = np.square(counts - trials * rate) / variance
    spread = 2 + (1 - 6 * rate * (1 - rate)) / variance
    return float((squares.sum() - len(counts)) / (len(counts) * spread) ** 0.5)
