"""Stored secrets: encrypted, bound to their name, replaced whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from guard.errors import DecryptionFailed, KeyUnavailable, NotFound
from guard.keys.keyring import Keyring
from guard.storage.secrets import SqlSecretStore

VALUE = "sk-provider-credential-\u00e9"


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "keyring")


@pytest.fixture
def secrets(guard_engine: Engine, keyring: Keyring) -> SqlSecretStore:
    return SqlSecretStore(guard_engine, keyring)


def change(engine: Engine, statement: str) -> None:
    with engine.connect() as connection, connection.begin():
        assert connection.execute(text(statement)).rowcount == 1


def test_what_was_put_is_got_and_replaced(secrets: SqlSecretStore) -> None:
    secrets.put("openai", VALUE)
    secrets.put("other", "x")
    assert secrets.get("openai") == VALUE
    secrets.put("openai", "another")
    assert (secrets.get("openai"), secrets.get("other")) == ("another", "x")


def test_an_unknown_name_is_told(secrets: SqlSecretStore) -> None:
    with pytest.raises(NotFound, match="openai"):
        secrets.get("openai")


def test_neither_value_nor_an_older_one_stands_in_the_database(
    secrets: SqlSecretStore, guard_engine: Engine, tmp_path: Path
) -> None:
    secrets.put("openai", VALUE)
    secrets.put("openai", "another")
    for path in tmp_path.glob("guard.db*"):
        assert VALUE.encode() not in path.read_bytes()


def test_a_secret_cannot_be_moved_to_another_name(secrets: SqlSecretStore, guard_engine: Engine) -> None:
    secrets.put("openai", VALUE)
    change(guard_engine, "UPDATE secret SET name = 'other'")
    with pytest.raises(DecryptionFailed):
        secrets.get("other")


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("UPDATE secret SET value = CAST(value || 'x' AS BLOB)", DecryptionFailed),
        ("UPDATE secret SET value = zeroblob(60)", DecryptionFailed),
        ("UPDATE secret SET key_id = 'secret:2020-01'", KeyUnavailable),
        ("UPDATE secret SET key_id = 'pepper:lasting'", DecryptionFailed),
    ],
)
def test_a_row_that_was_changed_does_not_open(
    secrets: SqlSecretStore, guard_engine: Engine, statement: str, error: type[Exception]
) -> None:
    secrets.put("openai", VALUE)
    change(guard_engine, statement)
    with pytest.raises(error):
        secrets.get("openai")


def test_another_installations_keyring_opens_nothing(
    secrets: SqlSecretStore, guard_engine: Engine, tmp_path: Path
) -> None:
    secrets.put("openai", VALUE)
    stranger = Keyring.create(tmp_path / "other")
    with pytest.raises((DecryptionFailed, KeyUnavailable)):
        SqlSecretStore(guard_engine, stranger).get("openai")
    SqlSecretStore(guard_engine, stranger).put("mine", "x")
    with pytest.raises(DecryptionFailed):
        SqlSecretStore(guard_engine, stranger).get("openai")


def test_secrets_outlive_an_epoch(guard_engine: Engine, tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    keyring = Keyring.create(tmp_path / "keyring", clock=lambda: now[0])
    SqlSecretStore(guard_engine, keyring).put("openai", VALUE)
    now[0] += 100 * 86400
    assert SqlSecretStore(guard_engine, keyring).get("openai") == VALUE
