"""``guard init``: make what is missing in the data directory, and nothing else.

Everything is written beside its place and then renamed, under one file lock, so that a
crash or a second ``guard init`` leaves either nothing or the whole thing.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.options import (
    AsJson,
    DataDir,
    choose,
    microseconds_now,
    operator,
    replace_file,
    write_json,
    write_line,
)
from guard.cli.starter import PROVIDERS, STARTER, add_provider
from guard.errors import ConfigurationError
from guard.keys.keyring import Keyring
from guard.registry.configuration import Configuration, load_configuration

__all__ = ["PACKS", "Prepared", "init", "prepare"]

PACKS = ("default", "strict", "pci")
FIRST_APPLICATION = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a data directory holds now. ``key`` is there only if it was issued just now."""

    key: str | None
    policies: Path
    created: tuple[str, ...]
    configuration: Configuration


def init(
    pack: Annotated[str | None, typer.Option(help="Policy pack: default, strict or pci")] = None,
    provider: Annotated[str | None, typer.Option(help="Add a provider to guard.yaml: openai")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the data directory: configuration, keyring, databases, policies, first key.

    What is there already stays as it is.

    Example: guard init --pack strict --provider openai
    """
    settings = choose(data_dir=data_dir)
    prepared = prepare(settings.data_dir, settings.config_path, pack=pack, provider=provider)
    if as_json:
        write_json(
            {
                "data_dir": str(settings.data_dir),
                "config": str(settings.config_path),
                "policies": str(prepared.policies),
                "created": list(prepared.created),
                "key": prepared.key,
            }
        )
        return
    write_line(f"data      {settings.data_dir}")
    write_line(f"made      {', '.join(prepared.created) or 'nothing: it was all there'}")
    write_line(f"policies  {prepared.policies}")
    if prepared.key:
        write_line(f"key       {prepared.key}   (shown this once)")
    if provider == "openai":
        write_line("next      export OPENAI_API_KEY=…, then: guard serve")
    else:
        write_line("next      guard serve")


def prepare(
    data_dir: Path, config_path: Path | None = None, *, pack: str | None = None, provider: str | None = None
) -> Prepared:
    """Make what is missing and return what is there.

    ``config_path`` stands elsewhere only if somebody wrote it there; then it is not made.
    Raises ``ConfigurationError`` for names that are unknown, and where making something
    would overwrite somebody's work.
    """
    if pack is not None and pack not in PACKS:
        raise ConfigurationError(f"no pack is named {pack!r}; there are {', '.join(PACKS)}")
    if provider is not None and provider not in PROVIDERS:
        raise ConfigurationError(f"no provider is known as {provider!r}; known are {', '.join(PROVIDERS)}")
    before = os.umask(0o077)
    try:
        with _locked(data_dir):
            return _prepare(data_dir, config_path or data_dir / "guard.yaml", pack, provider)
    except OSError as error:
        raise ConfigurationError(
            f"cannot make {error.filename or data_dir} ({error.strerror}); "
            "choose another place with GUARD_DATA_DIR"
        ) from None
    finally:
        os.umask(before)


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (data_dir / ".init.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(data_dir: Path, config_path: Path, pack: str | None, provider: str | None) -> Prepared:
    from guard.storage.installation import migrate_databases

    created: list[str] = []
    if config_path == data_dir / "guard.yaml" and not config_path.exists():
        replace_file(config_path, STARTER.encode())
        created.append("guard.yaml")
    configuration = load_configuration(config_path)
    if provider is not None and provider not in configuration.catalogue.providers:
        changed = add_provider(config_path.read_text(encoding="utf-8"), provider, path=config_path)
        replace_file(config_path, changed.encode())
        created.append(f"provider {provider} in guard.yaml")
        configuration = load_configuration(config_path)
    if _made_pack(configuration.policies_path, pack):
        created.append("policies")
    keyring, new = _keyring(data_dir / "keyring")
    if new:
        created.append("keyring")
    (data_dir / "boots").mkdir(exist_ok=True)
    created += migrate_databases(configuration)
    key = _first_key(data_dir, configuration, keyring)
    return Prepared(
        key=key, policies=configuration.policies_path, created=tuple(created), configuration=configuration
    )


def _made_pack(folder: Path, pack: str | None) -> bool:
    """Copy the shipped pack to ``folder``; one that is there is never overwritten."""
    from guard.storage.migrate import shipped

    source = shipped("policies") / (pack or "default")
    if folder.exists():
        if pack is not None and not _same(source, folder):
            raise ConfigurationError(
                f"{folder} holds other policies, maybe yours; move them away first: mv {folder} {folder}.old"
            )
        return False
    beside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(beside, ignore_errors=True)
    shutil.copytree(source, beside)
    beside.replace(folder)
    return True


def _same(source: Path, folder: Path) -> bool:
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    return all(
        (folder / name).is_file() and (folder / name).read_bytes() == (source / name).read_bytes()
        for name in files
    )


def _keyring(path: Path) -> tuple[Keyring, bool]:
    if path.exists():
        return Keyring.load(path), False
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    Keyring.create(beside)
    beside.replace(path)
    return Keyring.load(path), True


def _first_key(data_dir: Path, configuration: Configuration, keyring: Keyring) -> str | None:
    """Issue the key that the first snippet uses, if no key was ever issued."""
    from guard.identity.issuance import Grant, Issuer
    from guard.storage.installation import Installation, new_id

    installation = Installation(data_dir, configuration, keyring)
    try:
        if installation.keys.version():
            return None
        issuer = Issuer(installation.keys, keyring, principal=operator())
        issued = issuer.issue(
            Grant(application=FIRST_APPLICATION),
            key_id=new_id(),
            now=microseconds_now(),
            entropy=os.urandom(32),
        )
        return issued.key
    finally:
        installation.close()
