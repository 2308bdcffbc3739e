"""``guard audit``: check one's own log, export it, and verify what somebody else exported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guard.audit import verify as check
from guard.audit.fsck import Report, fsck
from guard.cli.options import AsJson, DataDir, opened, replace_file, when, write_json, write_line
from guard.errors import ConfigurationError, GuardError, KeyUnavailable, NotFound

if TYPE_CHECKING:
    from guard.audit.export import Opener
    from guard.keys.keyring import Keyring
    from guard.storage.log import SqlLogStore

__all__ = ["Verdict", "app", "verdict"]

app = typer.Typer(no_args_is_help=True)


@app.command("fsck")
def fsck_command(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check this installation's log, all of it: entries, roots, checkpoints, sealed values.

    The seals of the privacy ledger are checked too. Exit code 1 if anything is wrong.

    Example: guard audit fsck
    """
    from guard.audit.lease import alive

    with opened(data_dir) as installation:
        store = installation.open_log_store()
        try:
            report = _checked(
                store,
                public=installation.keyring.signer().public,
                opener=installation.keyring,
                alive=lambda boot: alive(installation.boots, boot),
            )
        finally:
            store.close()
        report.problems += installation.ledger.check()
        key = _key_line(installation.keyring)
    _tell(report, as_json, sealed=f"{report.values} sealed values, {report.shredded} without a key", key=key)


@app.command("verify")
def verify(
    target: Annotated[Path, typer.Argument(metavar="FILE|DATA_DIR", help="An export, or a data directory")],
    key: Annotated[str | None, typer.Option(help="The public key to trust: NAME+HASH+BASE64")] = None,
    as_json: AsJson = False,
) -> None:
    """Check an export, or a copy of a data directory, as anybody can: with public keys only.

    Exit code 1 says that it is not what it claims to be, and where.

    Example: guard audit verify log.zip --key "guard+0a1b2c3d+AbCd…"
    """
    if key is not None:
        _parsed(key)
    if target.is_dir():
        _verify_directory(target, key, as_json)
    else:
        _verify_file(target, key, as_json)


@app.command("export")
def export_command(
    out: Annotated[Path, typer.Option(help="The archive to write, as log.zip")],
    tenant: Annotated[list[str] | None, typer.Option(help="Whose log; may be given again [all]")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Also the sealed values, in plain text")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write logs as one archive that anybody can check offline, with the program that checks it.

    Sealed values (keys, subjects, counts) stay out unless --reveal asks for them.

    Example: guard audit export --out log.zip --tenant default
    """
    from guard.audit.export import export

    with opened(data_dir) as installation:
        store = installation.open_log_store()
        try:
            logs = _chosen(store.logs(), tenant)
            signer = installation.keyring.signer()
            data = export(store, logs, signer, installation.keyring if reveal else None)
        finally:
            store.close()
        key = _key_line(installation.keyring)
    replace_file(out, data)
    # What is handed out has been checked, by the very file that ships inside.
    results = check.verify_export(data, key)
    if as_json:
        write_json({"out": str(out), "bytes": len(data), "key": key, "logs": _plain(results)})
        return
    for result in results:
        write_line(_result(result, "wrote"))
    write_line(f"to       {out} ({len(data)} bytes)")
    write_line(f"key      {key}   (tell it to the reader by another way than the archive)")


def _chosen(logs: list[str], tenants: list[str] | None) -> list[str]:
    for name in tenants or ():
        if name not in logs:
            raise NotFound(f"no log of tenant {name!r}; there are: {', '.join(logs) or 'none yet'}")
    return list(dict.fromkeys(tenants)) if tenants else logs


def _verify_file(path: Path, key: str | None, as_json: bool) -> None:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {path} ({error.strerror})") from None
    found = verdict(data, key)
    if as_json:
        write_json(
            {
                "valid": found.problem is None,
                "problem": found.problem,
                "trusted": key is not None,
                "logs": _plain(found.results),
            }
        )
    else:
        for line in found.lines:
            write_line(line)
        if key is None and found.problem is None:
            write_line("note     no --key given: whole, but signed by the key that it names itself")
    raise typer.Exit(1 if found.problem else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What checking an export came to: the logs in it, or what is wrong and where."""

    results: tuple[check.Result, ...] = ()
    problem: str | None = None

    @property
    def lines(self) -> list[str]:
        """The verdict as it is printed."""
        if self.problem is not None:
            return [f"INVALID  {self.problem}"]
        return [_result(result, "valid") for result in self.results]


def verdict(data: bytes, key: str | None) -> Verdict:
    """Check an export; without ``key`` against the one that it names itself."""
    try:
        return Verdict(results=tuple(check.verify_export(data, key)))
    except check.VerificationFailed as failure:
        return Verdict(problem=str(failure))


def _verify_directory(folder: Path, key: str | None, as_json: bool) -> None:
    from guard.storage.database import open_database, sqlite_url
    from guard.storage.log import SqlLogStore

    path = folder / "log.db"
    if not path.is_file():
        raise ConfigurationError(f"no log.db in {folder}; give an export or a data directory")
    public = _parsed(key) if key is not None else _own_key(folder)
    engine = open_database(sqlite_url(path))
    try:
        store = SqlLogStore(engine)
    except OSError as error:
        raise ConfigurationError(f"cannot lock {path} ({error.strerror}); check a copy of it") from None
    try:
        report = _checked(store, public=public, opener=_Blind(), alive=lambda _: True)
    finally:
        store.close()
        engine.dispose()
    _tell(report, as_json, sealed="sealed values not opened", key=check.key_line("guard", public))


class _Blind:
    """Opens nothing: who verifies with public keys sees no sealed value."""

    def open(self, key_id: str, sealed: bytes, *, tenant: str, associated: bytes) -> bytes:  # noqa: ARG002 (the port)
        """Raise ``KeyUnavailable``."""
        raise KeyUnavailable("no secret keys here")


def _own_key(folder: Path) -> bytes:
    from guard.keys.keyring import Keyring

    try:
        return Keyring.load(folder / "keyring").signer().public
    except GuardError as error:
        raise ConfigurationError(f"no --key given, and {error.message}") from None


def _parsed(key: str) -> bytes:
    try:
        return check.parse_key(key)[1]
    except check.VerificationFailed as failure:
        raise typer.BadParameter(f"{failure}; 'guard audit export' prints it") from None


def _checked(store: SqlLogStore, *, public: bytes, opener: Opener, alive: Callable[[str], bool]) -> Report:
    """Check every log; a database that cannot be read is a problem like any other."""
    from guard.storage.installation import readable_database

    try:
        with readable_database(_damaged):
            total = sum(store.head(log).size for log in store.logs())
            with _progress(total) as advance:
                return fsck(store, public=public, opener=opener, alive=alive, progress=advance)
    except check.VerificationFailed as failure:
        return Report(problems=[str(failure)])


def _damaged(kind: str) -> Exception:
    return check.VerificationFailed(f"log.db: cannot be read ({kind})")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal; elsewhere nothing."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("checking", total=total)
        yield lambda count: progress.advance(task, count)


def _tell(report: Report, as_json: bool, *, sealed: str, key: str) -> None:
    if as_json:
        write_json(
            {
                "valid": not report.problems,
                "entries": report.entries,
                "checkpoints": report.checkpoints,
                "values": report.values,
                "shredded": report.shredded,
                "problems": report.problems,
                "key": key,
            }
        )
    else:
        for problem in report.problems:
            write_line(f"INVALID  {problem}")
        write_line(f"checked  {report.entries} entries, {report.checkpoints} checkpoints, {sealed}")
        write_line(f"key      {key}")
        write_line(f"result   {'not valid' if report.problems else 'valid'}")
    raise typer.Exit(1 if report.problems else 0)


def _key_line(keyring: Keyring) -> str:
    from guard.audit.checkpoint import KEY_NAME

    return check.key_line(KEY_NAME, keyring.signer().public)


def _result(result: check.Result, word: str) -> str:
    span = f", {when(result.first)} to {when(result.last)}" if result.size else ""
    return f"{word:<7}  log {result.log}: {result.size} entries{span}, {result.revealed} revealed values"


def _plain(results: Sequence[check.Result]) -> list[dict[str, object]]:
    return [
        {
            "log": result.log,
            "entries": result.size,
            "root": result.root.hex(),
            "first": result.first,
            "last": result.last,
            "revealed": result.revealed,
        }
        for result in results
    ]
