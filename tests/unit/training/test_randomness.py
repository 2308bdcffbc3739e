"""Bits, batches and noise: as spread as promised, and never the same twice."""

from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest

from guard.training.keystream import Keystream
from guard.training.noise import GaussianNoise
from guard.training.sampler import PoissonSampler
from guard.training.significance import binomial_p, chi_square_p, normal_p

BEYOND_CHANCE = 1e-9

CHILD = """
import sys
from guard.training.noise import GaussianNoise
from guard.training.sampler import PoissonSampler
print(GaussianNoise(deviation=1.0).draw(4).tolist(), PoissonSampler(rate=0.5, units=200).draw().tolist())
"""

FORK = """
import os, sys
from guard.training.keystream import Keystream
stream = Keystream()
child = os.fork()
if child:
    os.waitpid(child, 0)
os.write(1, stream.words(8).tobytes())
"""


def test_a_stream_gives_each_word_once() -> None:
    stream = Keystream()
    words = np.concatenate([stream.words(count) for count in (1, 7, 0, 1000, 3)])
    assert len(np.unique(words)) == 1011


def test_two_streams_share_nothing() -> None:
    assert not np.intersect1d(Keystream().words(5000), Keystream().words(5000)).size


def test_two_processes_share_nothing() -> None:
    said = {
        subprocess.run([sys.executable, "-c", CHILD], capture_output=True, check=True, timeout=60).stdout
        for _ in range(2)
    }
    assert len(said) == 2


def test_a_forked_child_goes_on_with_a_key_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, check=True, timeout=60)
    assert len(done.stdout) == 128
    parent, child = done.stdout[:64], done.stdout[64:]
    assert not np.intersect1d(np.frombuffer(parent, np.uint64), np.frombuffer(child, np.uint64)).size


def test_nobody_can_pass_a_seed() -> None:
    assert list(inspect.signature(Keystream).parameters) == []
    assert set(inspect.signature(GaussianNoise).parameters) == {"deviation"}
    assert set(inspect.signature(PoissonSampler).parameters) == {"rate", "units"}


@pytest.mark.parametrize(("units", "batch"), [(500, 499), (500, 60), (93, 1), (500, 1), (2000, 1000)])
def test_each_unit_is_taken_at_exactly_the_rate(units: int, batch: int) -> None:
    sampler = PoissonSampler(rate=batch / units, units=units)
    sizes = [len(sampler.draw()) for _ in range(2000)]
    assert binomial_p(sum(sizes), 2000 * units, batch / units) > BEYOND_CHANCE
    assert max(sizes) <= units and len(set(sizes)) > 1, "the size varies"


def test_a_batch_names_each_unit_once_and_rises() -> None:
    drawn = PoissonSampler(rate=0.5, units=1000).draw()
    assert (np.diff(drawn) > 0).all() and drawn.min() >= 0 and drawn.max() < 1000


def test_a_rate_of_one_takes_everybody() -> None:
    assert (PoissonSampler(rate=1.0, units=17).draw() == np.arange(17)).all()


def test_a_batch_may_be_empty() -> None:
    sampler = PoissonSampler(rate=1e-9, units=100)
    assert all(len(sampler.draw()) == 0 for _ in range(100))
    assert len(PoissonSampler(rate=0.5, units=0).draw()) == 0


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.1, float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="sample rate"):
        PoissonSampler(rate=rate, units=10)


def test_noise_is_normal_with_the_deviation_asked_for() -> None:
    count, deviation = 200_000, 3.5
    values = GaussianNoise(deviation=deviation).draw(count) / deviation
    assert values.dtype == np.float64
    assert chi_square_p(float(np.square(values).sum()), count) > BEYOND_CHANCE
    assert normal_p(float(values.sum()) / count**0.5) > BEYOND_CHANCE
    for limit, share in ((0.5, 0.382925), (1.0, 0.682689), (2.0, 0.954500), (3.0, 0.997300)):
        assert binomial_p(int((abs(values) < limit).sum()), count, share) > BEYOND_CHANCE
    half = count // 2
    assert normal_p(float(values[:half] @ values[half:]) / half**0.5) > BEYOND_CHANCE, (
        "the pairs are independent"
    )


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_any_count_of_values_is_drawn(count: int) -> None:
    assert GaussianNoise(deviation=1.0).draw(count).shape == (count,)


def test_noise_never_comes_again() -> None:
    noise = GaussianNoise(deviation=1.0)
    drawn = np.concatenate([noise.draw(3000), noise.draw(3000), GaussianNoise(deviation=1.0).draw(3000)])
    assert len(np.unique(drawn)) == 9000
