"""Shards of ten rows, so that a small table has several."""

from __future__ import annotations

from pathlib import Path

import pytest

from guard.datasets import ingest
from tests.unit.datasets.bench import Bench


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(ingest, "SHARD_ROWS", 10)
    return Bench(tmp_path)
