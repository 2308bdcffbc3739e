"""A worker put together: what it says of itself, what it keeps doing, and that it ends cleanly."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from guard import wiring
from guard.app import create
from guard.errors import ConfigurationError
from guard.gateway.asgi import Message
from guard.settings import Settings
from guard.storage.installation import open_installation
from guard.wiring import Services, build
from tests.e2e.service import run_guard
from tests.fakes.asgi import JSON, Got, call

YAML = """providers:
  - {name: nowhere, dialect: openai, base_url: "http://127.0.0.1:9/v1", timeouts: {connect: 1}}
models:
  - {name: m, targets: [{provider: nowhere, model: x}]}
enforcement: {enforcement}
"""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory as ``guard init`` makes it."""
    folder = tmp_path_factory.mktemp("wiring") / "guard-data"
    done = run_guard(folder, "init")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def settings(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings for it, with a provider that nobody is behind."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    configure(shipped)
    return Settings(data_dir=shipped, demo_port=0)


def configure(folder: Path, enforcement: str = "enforce") -> None:
    """Write the configuration."""
    (folder / "guard.yaml").write_text(YAML.replace("{enforcement}", enforcement))


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Services]:
    """Start a worker, and stop it."""
    services = build(settings)
    await services.start()
    try:
        yield services
    finally:
        await services.stop()


async def get(services: Services, path: str) -> Got:
    """Ask a worker."""
    return await call(services.endpoints, path, method="GET", headers=())


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that a background task brings about."""
    async with asyncio.timeout(20):
        while not await true():
            await asyncio.to_thread(threading.Event().wait, 0.02)


def records(settings: Settings) -> list[dict[str, object]]:
    """Return the leaves of the system's log."""
    told = run_guard(settings.data_dir, "log", "tail", "--tenant", "system", "-n", "100", "--json").stdout
    return [json.loads(line) for line in told.splitlines()]


def test_a_worker_is_ready_says_what_it_runs_by_and_records_its_life(settings: Settings) -> None:
    async def scenario() -> dict[str, object]:
        async with running(settings) as services:
            got = await get(services, "/readyz")
            assert got.status == 200
            told: dict[str, object] = json.loads(got.body)
        return told

    facts = asyncio.run(scenario())
    assert facts == {
        "status": "ready",
        "policy": facts["policy"],
        "log": "healthy",
        "enforcement": "enforce",
        "audit": "strict",
        "problem": None,
    }
    assert str(facts["policy"]).startswith("sha256:")
    types = [record["type"] for record in records(settings)]
    assert types[-3:] == ["system.started", "policy.loaded", "system.stopped"]


def test_a_worker_that_has_not_started_or_has_stopped_is_not_ready(settings: Settings) -> None:
    async def scenario() -> list[int]:
        services = build(settings)
        before = (await get(services, "/readyz")).status
        await services.start()
        await services.stop()
        return [before, services.ready()[0]]

    assert asyncio.run(scenario()) == [503, False]


def test_a_background_task_that_has_ended_takes_the_worker_out_of_service(settings: Settings) -> None:
    async def scenario() -> str:
        async with running(settings) as services:
            services._tasks["strangers"].cancel()
            await asyncio.gather(services._tasks["strangers"], return_exceptions=True)
            got = await get(services, "/readyz")
            assert got.status == 503
            return str(json.loads(got.body)["problem"])

    assert asyncio.run(scenario()) == "the background task strangers has ended"


def test_a_log_that_failed_is_asked_again_until_it_is_back(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "ROUND_SECONDS", 0.05)

    async def scenario() -> None:
        async with running(settings) as services:
            services._log.healthy = False
            got = await get(services, "/readyz")
            assert got.status == 503 and json.loads(got.body)["log"] == "unavailable"

            async def back() -> bool:
                return (await get(services, "/readyz")).status == 200

            await until(back)

    asyncio.run(scenario())


def test_a_broken_policy_is_told_and_the_last_good_one_stays(settings: Settings) -> None:
    policy = settings.data_dir / "policies" / "screening.yaml"
    good = policy.read_text()

    async def scenario() -> None:
        async with running(settings) as services:
            before = services.ready()[1]["policy"]
            policy.write_text(good.replace("unmatched: redact", "unmatched: redakt"))

            async def told() -> bool:
                return services.ready()[1]["problem"] is not None

            await until(told)
            ready, facts = services.ready()
            assert ready and facts["policy"] == before
            assert "did you mean 'redact'?" in str(facts["problem"])

    try:
        asyncio.run(scenario())
    finally:
        policy.write_text(good)


def test_reporting_is_told_with_its_last_day_and_enforced_after_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    today = datetime.now(UTC).date()
    configure(settings.data_dir, f"{{mode: report, until: {today}}}")

    async def scenario() -> None:
        async with running(settings) as services:
            ready, facts = services.ready()
            assert ready and facts["enforcement"] == "report" and services._reporting()
            assert (facts["enforcement_until"], facts["problem"]) == (today.isoformat(), None)
            monkeypatch.setattr(wiring, "_today", lambda: today + timedelta(days=1))
            ready, facts = services.ready()
            assert ready and facts["enforcement"] == "enforce" and not services._reporting()
            assert f"reporting ended on {today}, everything is enforced" in str(facts["problem"])

    asyncio.run(scenario())
    assert [r["enforcement"] for r in records(settings) if r["type"] == "system.started"][-1] == "report"


def test_strangers_are_counted_on_every_route_and_recorded_at_the_end(settings: Settings) -> None:
    async def scenario() -> None:
        async with running(settings) as services:
            wrong = [JSON, (b"x-api-key", b"nonsense")]
            assert (await call(services.endpoints, headers=wrong)).status == 401
            assert (await call(services.endpoints, "/v1/models", method="GET", headers=wrong)).status == 401

    asyncio.run(scenario())
    failed = [r for r in records(settings) if r["type"] == "auth.failed"]
    assert [(r["reason"], r["count"]) for r in failed[-1:]] == [("invalid_api_key", 2)]


def test_metrics_tell_of_this_worker(settings: Settings) -> None:
    async def scenario() -> str:
        async with running(settings) as services:
            await call(services.endpoints, headers=[JSON])
            return (await get(services, "/metrics")).body.decode()

    told = asyncio.run(scenario())
    assert "guard_ready 1.0" in told
    assert 'guard_exchanges_total{code="missing_api_key",end="refused",route="openai.chat"} 1.0' in told


def test_a_data_directory_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="guard init"):
        build(Settings(data_dir=tmp_path / "nothing"))


async def lifespan(settings: Settings) -> list[Message]:
    """Run an application's life as a server does."""
    sent: list[Message] = []
    steps = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        return dict(next(steps))

    async def send(message: Message) -> None:
        sent.append(message)

    await create(settings)({"type": "lifespan"}, receive, send)
    return sent


def test_an_application_starts_and_stops_with_its_server(settings: Settings) -> None:
    assert [message["type"] for message in asyncio.run(lifespan(settings))] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_an_application_that_cannot_start_says_so_and_quotes_nothing(tmp_path: Path) -> None:
    (message,) = asyncio.run(lifespan(Settings(data_dir=tmp_path / "nothing")))
    assert message == {"type": "lifespan.startup.failed", "message": "ConfigurationError"}


def test_a_worker_leaves_nothing_open(settings: Settings) -> None:
    async def scenario() -> None:
        async with running(settings):
            pass
        leftover = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert leftover == []

    before = threading.active_count()
    asyncio.run(scenario())
    assert not any(thread.name == "audit-log" for thread in threading.enumerate())
    assert threading.active_count() <= before + 1
    open_installation(settings.data_dir, settings.config_path).close()
