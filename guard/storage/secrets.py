"""Stored provider credentials: encrypted under the keyring's lasting purpose key."""

from __future__ import annotations

from sqlalchemy import Engine, delete, insert, select

from guard.errors import NotFound
from guard.keys.keyring import Keyring
from guard.keys.purposes import Purpose
from guard.storage.tables import secrets

__all__ = ["SqlSecretStore"]

TENANT = "system"


class SqlSecretStore:
    """Keeps secrets by name. What stands in the table is of no use without the keyring."""

    def __init__(self, engine: Engine, keyring: Keyring) -> None:
        self._engine = engine
        self._keyring = keyring

    def put(self, name: str, value: str) -> None:
        """Store ``value`` under ``name`` in place of any older one."""
        key_id, sealed = self._keyring.seal(
            value.encode(), tenant=TENANT, associated=_associated(name), purpose=Purpose.SECRET
        )
        with self._engine.connect().execution_options(guard_write=True) as connection, connection.begin():
            connection.execute(delete(secrets).where(secrets.c.name == name))
            connection.execute(insert(secrets).values(name=name, key_id=key_id, value=sealed))

    def get(self, name: str) -> str:
        """Return a secret. Raises ``NotFound``, ``KeyUnavailable``, ``DecryptionFailed``."""
        query = select(secrets.c.key_id, secrets.c.value).where(secrets.c.name == name)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise NotFound(f"no secret is stored as {name}")
        opened = self._keyring.open(row.key_id, row.value, tenant=TENANT, associated=_associated(name))
        return opened.decode()


def _associated(name: str) -> bytes:
    return f"secret|{name}|1".encode()
