"""One data directory, opened: what is missing is told, what is opened is closed."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, make_url, text

from guard.audit.lease import alive
from guard.audit.log import Log
from guard.cli.init import prepare
from guard.domain.event import Receipt
from guard.errors import AuditUnavailable, ConfigurationError, KeyUnavailable
from guard.identity.issuance import Grant, Issuer
from guard.storage.installation import Installation, migrate_databases, open_installation
from tests.fakes.records import record


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GUARD_KEYRING", raising=False)
    prepare(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def installation(folder: Path) -> Iterator[Installation]:
    opened = open_installation(folder, folder / "guard.yaml")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("missing", "error", "remedy"),
    [
        ("guard.yaml", ConfigurationError, "guard init"),
        ("keyring", KeyUnavailable, "guard init"),
        ("guard.db", ConfigurationError, "guard init"),
        ("log.db", ConfigurationError, "guard init"),
    ],
)
def test_what_is_missing_is_told_with_the_remedy_and_not_made(
    folder: Path, missing: str, error: type[Exception], remedy: str
) -> None:
    (folder / missing).unlink()
    with pytest.raises(error, match=remedy):
        open_installation(folder, folder / "guard.yaml")
    assert not (folder / missing).exists()


def test_a_command_records_under_a_lease_of_its_own(installation: Installation) -> None:
    boots: list[str] = []

    async def append(log: Log) -> object:
        receipt = await log.append(record("system.stopped", tenant="system"))
        boots.extend(path.stem for path in installation.boots.glob("*.lock"))
        assert alive(installation.boots, boots[0])
        return receipt

    with installation.recording(lambda _: None) as log:
        assert isinstance(asyncio.run(append(log)), Receipt)
    assert len(boots) == 1
    assert list(installation.boots.glob("*.lock")) == []
    with pytest.raises(AuditUnavailable):
        asyncio.run(log.append(record("system.stopped", tenant="system")))


def test_the_outbox_is_delivered_by_one_at_a_time(installation: Installation) -> None:
    issuer = Issuer(installation.keys, installation.keyring, principal="local:1")
    issuer.issue(Grant(application="crm"), key_id="k1", now=1, entropy=bytes(32))
    with installation.recording(lambda _: None) as log:
        with (installation.boots / "outbox").open("w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            assert asyncio.run(installation.deliver(log)) == 0
        delivered = asyncio.run(installation.deliver(log))
        assert delivered >= 1
        assert asyncio.run(installation.deliver(log)) == 0


def test_migrating_again_makes_nothing_and_says_so(installation: Installation) -> None:
    assert migrate_databases(installation.configuration) == []


def test_a_database_of_a_later_version_is_refused(installation: Installation) -> None:
    with installation.database.connect() as connection, connection.begin():
        connection.execute(text("UPDATE guard_version SET version_num = 'guard_9999'"))
    with pytest.raises(ConfigurationError, match="another version of Guard"):
        migrate_databases(installation.configuration)


def test_a_file_that_is_no_database_is_refused(folder: Path) -> None:
    configuration = open_installation(folder, folder / "guard.yaml").configuration
    for name in ("log.db", "log.db-wal", "log.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "log.db").write_bytes(b"not a database at all, but long enough to be one" * 100)
    with pytest.raises(ConfigurationError, match="cannot write"):
        migrate_databases(configuration)


def test_a_password_in_an_address_is_never_shown(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The driver of PostgreSQL is not here: an engine that carries such an address will do."""
    real = create_engine(installation.database.url)
    with real.connect() as connection, connection.begin():
        connection.execute(text("UPDATE guard_version SET version_num = 'guard_9999'"))
    disguised = SimpleNamespace(
        url=make_url("postgresql+psycopg://guard:hunter2@127.0.0.1/guard"),
        dialect=real.dialect,
        connect=real.connect,
        dispose=real.dispose,
    )
    monkeypatch.setattr("guard.storage.installation.open_database", lambda url: disguised)
    with pytest.raises(ConfigurationError, match=r"127\.0\.0\.1") as refused:
        migrate_databases(installation.configuration)
    assert "hunter2" not in refused.value.message


@pytest.mark.parametrize("name", ["guard.db", "log.db", "keyring", "guard.yaml"])
def test_what_init_makes_is_its_owners_alone(folder: Path, name: str) -> None:
    assert (folder / name).stat().st_mode & 0o077 == 0
