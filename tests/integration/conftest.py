"""A trained model, made once by the commands that people type and then only copied."""

from __future__ import annotations

import pytest

from tests.integration.training.story import Story, told


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Return a data directory with a model in draft. Nobody changes it."""
    pytest.importorskip("opacus", reason="the extra train is not installed")
    return told(tmp_path_factory.mktemp("trained"))
