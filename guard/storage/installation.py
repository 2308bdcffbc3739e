"""One installation: its data directory, opened. What ``serve`` and every command share.

::

    DATA_DIR/guard.yaml   configuration      DATA_DIR/guard.db  administration
    DATA_DIR/keyring      wrapped keys       DATA_DIR/log.db    the log
    DATA_DIR/policies/    the policy pack    DATA_DIR/boots/    leases of living processes
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from guard.audit.lease import Lease
from guard.audit.log import Log
from guard.domain.event import Recorder
from guard.domain.identifier import uuid7
from guard.errors import ConfigurationError
from guard.keys.keyring import Keyring
from guard.registry.configuration import Configuration, load_configuration
from guard.storage.database import open_database, sqlite_path
from guard.storage.datasets import SqlDatasetStore
from guard.storage.jobs import SqlJobStore
from guard.storage.keys import SqlKeyStore
from guard.storage.ledger import SqlLedgerStore
from guard.storage.log import SqlLogStore
from guard.storage.models import SqlModelStore
from guard.storage.outbox import relay
from guard.storage.secrets import SqlSecretStore

__all__ = ["Installation", "migrate_databases", "new_id", "open_installation", "readable_database"]


def new_id() -> str:
    """Return a fresh identifier that sorts by time."""
    return uuid7(microseconds=time.time_ns() // 1000, entropy=os.urandom(10))


class Installation:
    """The stores of one data directory. Opens nothing before it is asked."""

    def __init__(self, data_dir: Path, configuration: Configuration, keyring: Keyring) -> None:
        self.data_dir = data_dir
        self.configuration = configuration
        self.keyring = keyring
        self.database = open_database(configuration.database)
        self.log_database = open_database(configuration.log_database)
        self.keys = SqlKeyStore(self.database)
        self.secrets = SqlSecretStore(self.database, keyring)
        self.datasets = SqlDatasetStore(self.database)
        self.jobs = SqlJobStore(self.database)
        self.models = SqlModelStore(self.database)
        self.ledger = SqlLedgerStore(self.database, keyring)

    def dataset_folder(self, dataset: str) -> Path:
        """Where the shards of a dataset lie."""
        return self.data_dir / "datasets" / dataset.removeprefix("sha256:")

    def model_path(self, digest: str) -> Path:
        """Where the ONNX file of a model lies."""
        return self.data_dir / "models" / f"{digest}.onnx"

    def certificate_path(self, digest: str) -> Path:
        """Where a certificate lies."""
        return self.data_dir / "models" / f"{digest}.certificate.json"

    @property
    def boots(self) -> Path:
        """The folder of the leases of living processes."""
        return self.data_dir / "boots"

    def open_log_store(self) -> SqlLogStore:
        """Open the log's store; whoever opens it closes it. Not shared between threads that write."""
        return SqlLogStore(self.log_database)

    @contextmanager
    def recording(self, failed: Callable[[BaseException], None]) -> Iterator[Log]:
        """Write to the log as a process of one command; ``failed`` hears of lost batches."""
        store = self.open_log_store()
        boot = new_id()
        lease = Lease(self.boots, boot)
        log = Log(store, boot=boot, sealer=self.keyring, failed=failed)
        log.start()
        try:
            yield log
        finally:
            log.close()
            store.close()
            lease.release()

    async def deliver(self, recorder: Recorder) -> int:
        """Append what waits in the outbox, unless another process is doing so; return how many."""
        with (self.boots / "outbox").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return 0
            return await relay(self.database, recorder)

    def close(self) -> None:
        """Close every connection."""
        self.database.dispose()
        self.log_database.dispose()


def open_installation(data_dir: Path, config_path: Path) -> Installation:
    """Open what ``guard init`` has made.

    Raises ``ConfigurationError`` and ``KeyUnavailable``, each with what to do.
    """
    configuration = load_configuration(config_path)
    keyring = Keyring.load(data_dir / "keyring")
    installation = Installation(data_dir, configuration, keyring)
    for engine in (installation.database, installation.log_database):
        _need_file(engine)
    return installation


def migrate_databases(configuration: Configuration) -> list[str]:
    """Bring both databases to the newest schema; return the names of the new ones.

    Raises ``ConfigurationError`` with what to do.
    """
    from alembic.util.exc import CommandError

    from guard.storage.migrate import upgrade

    created = []
    for name, url in (("guard", configuration.database), ("log", configuration.log_database)):
        engine = open_database(url)
        path = sqlite_path(engine)
        # An address of PostgreSQL may hold a password.
        shown = engine.url.render_as_string(hide_password=True)
        if path is not None and not path.exists():
            created.append(path.name)
        try:
            with readable_database(partial(_unwritable, shown)):
                upgrade(engine, name)
        except CommandError:
            raise ConfigurationError(
                f"{shown} was made by another version of Guard; start that one"
            ) from None
        finally:
            engine.dispose()
    return created


def _unwritable(url: str, kind: str) -> ConfigurationError:
    return ConfigurationError(f"cannot write {url} ({kind}); is the disk full, or the file somebody else's?")


def _need_file(engine: Engine) -> None:
    # SQLite would make an empty file in silence, and the first query would fail oddly.
    path = sqlite_path(engine)
    if path is not None and not path.is_file():
        raise ConfigurationError(f"no database at {path}; run: guard init")


@contextmanager
def readable_database(remedy: Callable[[str], Exception]) -> Iterator[None]:
    """Turn a fault of the database into ``remedy``'s error; it gets the fault's type."""
    try:
        yield
    except DBAPIError as error:
        raise remedy(type(error.orig).__name__) from None
