"""``guard doctor``: what could keep Guard from working, each with its remedy.

Every check is one function that returns what is fine, or raises what is not; a check that
needs another one's subject (databases need a configuration) reports the same error, so
the first line that says ``problem`` is the one to begin with.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from guard.cli.options import AsJson, DataDir, choose, microseconds_now, when, write_json, write_line
from guard.errors import ConfigurationError, GuardError
from guard.settings import Settings

if TYPE_CHECKING:
    from guard.cli.running import Running
    from guard.storage.log import SqlLogStore

__all__ = ["CHECKS", "Line", "doctor", "examine", "filesystem"]

REMOTE = frozenset(
    "9p afs beegfs ceph cifs fuse.glusterfs fuse.sshfs glusterfs gpfs lustre nfs nfs4 smb3 smbfs".split()
)
"""File systems on which SQLite's locks or a flush cannot be relied on."""
ROOM = 256 * 2**20
"""Bytes below which the disk counts as full: some hours of records."""
AHEAD = 60_000_000
"""µs by which the clock may lag behind the newest record: what clocks drift between restarts."""
ASK_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The result of one check; ``message`` holds the remedy if it is a problem."""

    check: str
    ok: bool
    message: str


def doctor(
    port: Annotated[int | None, typer.Option(help="Port that guard serve would take [8080]")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Look for what could keep Guard from working; each problem comes with its remedy.

    Exit code 1 if there is any.

    Example: guard doctor
    """
    lines = examine(choose(data_dir=data_dir, port=port))
    if as_json:
        write_json([{"check": line.check, "ok": line.ok, "message": line.message} for line in lines])
    else:
        width = max(len(line.check) for line in lines)
        for line in lines:
            write_line(f"{'ok' if line.ok else 'problem':<7}  {line.check:<{width}}  {line.message}")
    raise typer.Exit(0 if all(line.ok for line in lines) else 1)


def examine(settings: Settings) -> list[Line]:
    """Run every check in order."""
    return [_line(name, check, settings) for name, check in CHECKS.items()]


def _line(name: str, check: Callable[[Settings], str], settings: Settings) -> Line:
    try:
        return Line(check=name, ok=True, message=check(settings))
    except GuardError as error:
        return Line(check=name, ok=False, message=error.message.replace("\n", "; "))


def _data_directory(settings: Settings) -> str:
    folder = settings.data_dir
    if not folder.is_dir():
        raise ConfigurationError(f"there is no {folder}; run: guard init")
    trial = folder / ".doctor"
    try:
        with trial.open("wb") as file:
            file.write(b"x")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(
            f"cannot write in {folder} ({error.strerror}); give it to this user, or set GUARD_DATA_DIR"
        ) from None
    finally:
        _forget(trial)
    kind = filesystem(folder.resolve())
    if kind in REMOTE:
        raise ConfigurationError(
            f"{folder} is on {kind}, where records may be lost; set GUARD_DATA_DIR to a local disk"
        )
    return f"{folder} can be written, on {kind or 'a file system that this system does not name'}"


def _forget(path: Path) -> None:
    # Where nothing could be written there is nothing to remove, and no second error to tell.
    with suppress(OSError):
        path.unlink(missing_ok=True)


def filesystem(path: Path, mounts: str | None = None) -> str | None:
    """Return the type of the file system that holds ``path``; ``None`` if it cannot be told.

    ``mounts`` is the text of Linux's ``/proc/self/mountinfo``.
    """
    if mounts is None:
        source = Path("/proc/self/mountinfo")
        mounts = source.read_text() if source.exists() else ""
    found: tuple[int, str | None] = (-1, None)
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4].encode().decode("unicode_escape")
        if path.is_relative_to(point) and len(point) >= found[0]:
            found = (len(point), after.split(" ")[0])
    return found[1]


def _disk(settings: Settings) -> str:
    folder = settings.data_dir
    if not folder.is_dir():
        raise ConfigurationError(f"there is no {folder}; run: guard init")
    free = shutil.disk_usage(folder).free
    if free < ROOM:
        raise ConfigurationError(
            f"{free // 2**20} MiB are left on the disk of {folder}; make room, or no record can be written"
        )
    return f"{free // 2**20} MiB free"


def _configuration(settings: Settings) -> str:
    from guard.registry.configuration import load_configuration

    configuration = load_configuration(settings.config_path)
    catalogue = configuration.catalogue
    return (
        f"{configuration.path}: {len(catalogue.providers)} providers, {len(catalogue.models)} models, "
        f"enforcement {configuration.enforcement}"
    )


def _policies(settings: Settings) -> str:
    from guard.policy.check import check_pack
    from guard.registry.configuration import load_configuration
    from guard.storage.truth import read_pack

    folder = load_configuration(settings.config_path).policies_path
    problems = check_pack(read_pack(folder))
    errors = [problem.message for problem in problems if problem.level == "error"]
    if errors:
        raise ConfigurationError(f"{'; '.join(errors)}; see: guard policy check {folder}")
    notes = "".join(f"; note: {problem.message}" for problem in problems)
    return f"{folder}: valid{notes}"


def _keyring(settings: Settings) -> str:
    from guard.keys.keyring import Keyring

    path = settings.data_dir / "keyring"
    Keyring.load(path).signer()
    return f"{path} opens, and only its owner may read it"


def _databases(settings: Settings) -> str:
    from guard.storage.installation import open_installation
    from guard.storage.migrate import current, newest

    with closing(open_installation(settings.data_dir, settings.config_path)) as installation:
        for engine, name in ((installation.database, "guard"), (installation.log_database, "log")):
            with _readable(name):
                found, wanted = current(engine, name), newest(engine, name)
            if found != wanted:
                raise ConfigurationError(
                    f"{name}.db is at revision {found}, this Guard needs {wanted}; run: guard init"
                )
    return "guard.db and log.db are at the newest revision"


def _log(settings: Settings) -> str:
    """Write the state of a log as it is: durable or an error, and no record."""
    from guard.audit.batch import Writes

    with _log_store(settings) as store:
        with store.transaction() as transaction:
            transaction.write(Writes(heads=transaction.heads(store.logs()[:1])))
        sizes = [store.head(name).size for name in store.logs()]
    return f"can be written; {sum(sizes)} records in {len(sizes)} logs"


def _ledger(settings: Settings) -> str:
    """Look whether budgets, reservations and the registered datasets are as they were written."""
    from guard.storage.installation import open_installation

    with (
        closing(open_installation(settings.data_dir, settings.config_path)) as installation,
        _readable("guard"),
    ):
        problems = installation.ledger.check()
        if problems:
            raise ConfigurationError(
                f"{'; '.join(problems)}; no job is admitted until guard.db is put back from a backup"
            )
        datasets = installation.datasets.list()
    return f"the privacy ledger and {len(datasets)} datasets are as they were written"


def _clock(settings: Settings) -> str:
    with _log_store(settings) as store:
        newest = max((store.head(name).time for name in store.logs()), default=0)
    now = microseconds_now()
    if newest > now + AHEAD:
        raise ConfigurationError(
            f"the clock says {when(now)}, but the newest record is of {when(newest)}; "
            "set the clock, as with: timedatectl set-ntp true"
        )
    return f"{when(now)}, not behind the newest record"


@contextmanager
def _log_store(settings: Settings) -> Iterator[SqlLogStore]:
    from guard.storage.installation import open_installation

    with closing(open_installation(settings.data_dir, settings.config_path)) as installation:
        try:
            with _readable("log"), closing(installation.open_log_store()) as store:
                yield store
        except OSError as error:
            raise ConfigurationError(
                f"{error.filename or 'the log'} cannot be opened ({error.strerror}); give it to this user"
            ) from None


def _port(settings: Settings) -> str:
    from guard.cli.running import running
    from guard.cli.serve import other_port

    own = running(settings.data_dir)
    if own is not None:
        return _served(own)
    host, port = settings.host, settings.port
    if port == 0:
        return "guard serve takes a free one"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}:{port} ({error.strerror}); {other_port(port)}"
        ) from None
    return f"{host}:{port} is free"


def _served(own: Running) -> str:
    """Return that the port is ours. Raises ``ConfigurationError`` for what the service says is wrong."""
    ready = _readyz(own.address)
    if ready.get("problem"):
        raise ConfigurationError(f"Guard runs at {own.address}, but: {ready['problem']}")
    return f"Guard runs at {own.address} (process {own.pid}) and is {ready.get('status')}"


def _readyz(address: str) -> Mapping[str, object]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ConfigurationError(
            f"{address} does not answer ({type(error).__name__}); stop guard serve and start it again"
        ) from None
    finally:
        connection.close()
    return answer if isinstance(answer, dict) else {}


def _readable(name: str) -> AbstractContextManager[None]:
    """Turn a fault of a database into an error that says so."""
    from guard.storage.installation import readable_database

    return readable_database(
        lambda kind: ConfigurationError(
            f"{name}.db cannot be read or written ({kind}); is it damaged, or somebody else's?"
        )
    )


CHECKS: Mapping[str, Callable[[Settings], str]] = {
    "data directory": _data_directory,
    "disk": _disk,
    "configuration": _configuration,
    "policies": _policies,
    "keyring": _keyring,
    "databases": _databases,
    "log": _log,
    "ledger": _ledger,
    "clock": _clock,
    "port": _port,
}
"""Every check, in the order in which a problem explains the ones below it."""
