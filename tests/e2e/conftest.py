"""One service for all end-to-end tests of a process; tests that maim it start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.service import Service, run_guard, stop_quietly

CONFIGURATION = """
providers:
  - {name: demo, dialect: openai, base_url: "builtin:demo"}
  - {name: nowhere, dialect: openai, base_url: "http://127.0.0.1:9/v1", timeouts: {connect: 2}}
  - {name: metadata, dialect: openai, base_url: "http://169.254.169.254/v1"}
models:
  - {name: "demo-*", targets: [{provider: demo, model: same}]}
  - {name: falls-back, targets: [{provider: nowhere, model: x}, {provider: demo, model: demo-echo}]}
  - name: second-after-500
    targets: [{provider: demo, model: demo-status-500}, {provider: demo, model: demo-echo}]
  - {name: unreachable, targets: [{provider: nowhere, model: x}]}
  - {name: link-local, targets: [{provider: metadata, model: x}]}
applications:
  - name: agents
    tools: {secret: [Write, Edit], egress: [WebFetch, "mcp__*"]}
policies: {source: file, path: policies}
enforcement: enforce
audit: {mode: strict}
database: sqlite:///guard.db
"""


def make_service(folder: Path, **options: object) -> Service:
    """Return a service with the tests' models, not started."""
    data_dir = folder / "guard-data"
    done = run_guard(data_dir, "init")
    assert done.returncode == 0, done.stderr
    (data_dir / "guard.yaml").write_text(CONFIGURATION)
    return Service(data_dir=data_dir, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Return a running service that nobody breaks."""
    running = make_service(tmp_path_factory.mktemp("shared"))
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def own_service(tmp_path: Path) -> Iterator[Service]:
    """Return a running service of this test alone."""
    running = make_service(tmp_path)
    running.start()
    yield running
    stop_quietly(running)
