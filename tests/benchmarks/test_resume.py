"""datasets.resume with 1/50 of its kills, each kind once; and checks that can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.datasets import resume
from benchmarks.datasets.resume import Trials, killed

pytest.importorskip("opacus", reason="the extra train is not installed")


def test_a_killed_ingest_and_a_killed_job_end_as_if_nobody_had_come(tmp_path: Path, seed: int) -> None:
    trials = Trials(tmp_path, rows=3_000, seed=seed)
    outcome = killed(trials, 2, seed=seed, say=print)
    bars = {measured.bar: measured.value for measured in outcome.measured}
    assert bars == {"kills": 2, "different": 0, "miscounted": 0, "clear": 0}


def test_values_in_clear_are_seen(tmp_path: Path) -> None:
    (tmp_path / "left.tmp").write_bytes(b"...Marzipan Lane...")
    assert resume._clear(tmp_path) == 1
