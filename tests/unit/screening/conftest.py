"""Seeds: one that never changes, and one that is new each time and printed."""

from __future__ import annotations

import secrets
import sys

import pytest


@pytest.fixture(params=["fixed", "random"])
def seed(request: pytest.FixtureRequest) -> int:
    """Return the fixed seed, then a random one; it is shown if the test fails."""
    chosen = 20261124 if request.param == "fixed" else secrets.randbits(32)
    sys.stdout.write(f"seed {chosen}\n")
    return chosen
