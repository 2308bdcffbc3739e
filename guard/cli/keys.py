"""``guard keys``: issue, list, rotate and revoke application keys."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import (
    AsJson,
    DataDir,
    deliver,
    microseconds_now,
    opened,
    operator,
    table,
    when,
    write_json,
    write_line,
)
from guard.domain.principal import Limits

if TYPE_CHECKING:
    from guard.identity.issuance import Issued, Issuer
    from guard.storage.installation import Installation

__all__ = ["app", "issuer"]

app = typer.Typer(no_args_is_help=True)

MOST = 10**9
"""The largest limit; every database counts so far."""

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
SPAN = re.compile(r"([0-9]{1,5})([mhd])")
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id, from: guard keys list")]


@app.command("issue")
def issue(
    application: Annotated[str, typer.Option(help="Name of the application that holds the key")],
    tenant: Annotated[str, typer.Option(help="Whose data and log it is")] = "default",
    models: Annotated[str, typer.Option(help="Models it may ask for, with commas; * in patterns")] = "*",
    purposes: Annotated[str, typer.Option(help="Purposes it may act for, the first by default")] = "general",
    expires: Annotated[str, typer.Option(help="When it ends: 90d, 12h, 2030-12-31 or never")] = "never",
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Limit over all workers")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=MOST, help="Requests at the same time")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Issue a key and show it this once.

    Example: guard keys issue --application crm --models "gpt-*" --purposes support --expires 90d
    """
    from guard.identity.issuance import Grant
    from guard.storage.installation import new_id

    grant = Grant(
        application=application,
        tenant=tenant,
        models=_words(models),
        purposes=_words(purposes),
        expires=_end(expires, microseconds_now()),
        limits=Limits(requests_per_minute=requests_per_minute, concurrency=concurrency),
    )
    with opened(data_dir) as installation:
        issued = issuer(installation).issue(
            grant, key_id=new_id(), now=microseconds_now(), entropy=os.urandom(32)
        )
        deliver(installation)
    _show(issued, as_json)


@app.command("list")
def list_keys(
    every: Annotated[bool, typer.Option("--all", help="Also those that have ended")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List keys: what they may do and when they end. The keys themselves are not stored.

    Example: guard keys list --all
    """
    from guard.identity.issuance import state_of

    now = microseconds_now()
    with opened(data_dir) as installation:
        records = [
            record for record in installation.keys.list() if every or state_of(record, now) == "active"
        ]
    if as_json:
        write_json(
            [
                {
                    "id": record.id,
                    "state": state_of(record, now),
                    "tenant": record.tenant,
                    "application": record.application,
                    "models": list(record.models),
                    "purposes": list(record.purposes),
                    "created": record.created,
                    "expires": record.expires,
                    "revoked": record.revoked,
                    "requests_per_minute": record.limits.requests_per_minute,
                    "concurrency": record.limits.concurrency,
                }
                for record in records
            ]
        )
        return
    table(
        ("id", "state", "tenant", "application", "models", "purposes", "ends", "limits"),
        [
            (
                record.id,
                state_of(record, now),
                record.tenant,
                record.application,
                ",".join(record.models),
                ",".join(record.purposes),
                when(record.revoked or record.expires),
                _limits(record.limits),
            )
            for record in records
        ],
    )


@app.command("rotate")
def rotate(
    key_id: KeyId,
    overlap: Annotated[str, typer.Option(help="How long the old key stays good: 24h, 30m, 7d")] = "24h",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Issue a key like an old one, which ends after the overlap.

    Example: guard keys rotate 01a20e77-3ba9-7ed9-94ad-7b692b99df13 --overlap 7d
    """
    from guard.storage.installation import new_id

    with opened(data_dir) as installation:
        issued = issuer(installation).rotate(
            key_id,
            successor=new_id(),
            overlap=_span(overlap) // timedelta(microseconds=1),
            now=microseconds_now(),
            entropy=os.urandom(32),
        )
        deliver(installation)
    _show(issued, as_json)


@app.command("revoke")
def revoke(key_id: KeyId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """End a key at once; every worker refuses it within a second.

    Example: guard keys revoke 01a20e77-3ba9-7ed9-94ad-7b692b99df13
    """
    with opened(data_dir) as installation:
        record = issuer(installation).revoke(key_id, now=microseconds_now())
        deliver(installation)
    if as_json:
        write_json({"id": record.id, "revoked": record.revoked})
    else:
        write_line(f"revoked {record.id} of {record.application}")


def issuer(installation: Installation) -> Issuer:
    """Return who changes keys, in the name of the user that runs this command."""
    from guard.identity.issuance import Issuer

    return Issuer(installation.keys, installation.keyring, principal=operator())


def _show(issued: Issued, as_json: bool) -> None:
    record = issued.record
    if as_json:
        write_json({"id": record.id, "key": issued.key, "expires": record.expires})
        return
    write_line(f"key      {issued.key}   (shown this once)")
    write_line(f"id       {record.id}")
    models, purposes = ", ".join(record.models), ", ".join(record.purposes)
    write_line(f"may      ask for {models} as {record.application}, for {purposes}")
    write_line(f"expires  {when(record.expires)}")


def _limits(limits: Limits) -> str:
    parts = []
    if limits.requests_per_minute is not None:
        parts.append(f"{limits.requests_per_minute}/min")
    if limits.concurrency is not None:
        parts.append(f"{limits.concurrency} at once")
    return ", ".join(parts) or "none"


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _span(text: str) -> timedelta:
    found = SPAN.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no span of time; write 30m, 12h or 90d")
    return timedelta(**{UNITS[found.group(2)]: int(found.group(1))})


def _end(text: str, now: int) -> int | None:
    """Return when a key ends in µs; a day as 2030-12-31 counts to its end in UTC."""
    if text == "never":
        return None
    if SPAN.fullmatch(text):
        return now + _span(text) // timedelta(microseconds=1)
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no end; write 90d, 12h, 2030-12-31 or never") from None
    return int((day + timedelta(days=1)).timestamp()) * 1_000_000
