"""``guard log``: look at the newest records, and at new ones as they come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from guard.cli.options import AsJson, DataDir, opened, when, write_json, write_line
from guard.errors import NotFound

if TYPE_CHECKING:
    from guard.storage.log import LeafRow, SqlLogStore

__all__ = ["app", "line"]

app = typer.Typer(no_args_is_help=True)

POLL_SECONDS = 0.3
ALIKE = frozenset({"boot", "id", "sealed", "tenant", "time", "type", "v"})
"""Members that every record has; a line shows the others."""


@app.callback()
def look() -> None:
    """Look at the log."""


@app.command("tail")
def tail(
    tenant: Annotated[
        str, typer.Option(help="Whose log; system holds starts, policies, strangers")
    ] = "default",
    number: Annotated[int, typer.Option("-n", min=0, help="How many of the newest records")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as records come, until Ctrl-C")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the newest records of a log, oldest first; with --json one record a line.

    Example: guard log tail --tenant system -n 5 --follow
    """
    with opened(data_dir) as installation:
        store = installation.open_log_store()
        try:
            size = _size(store, tenant)
            for row in _rows(store, tenant, max(0, size - number), size if not follow else None):
                _show(row, as_json)
        except KeyboardInterrupt:
            # Ctrl-C is how one stops following.
            return
        finally:
            store.close()


def _size(store: SqlLogStore, tenant: str) -> int:
    logs = store.logs()
    if tenant not in logs:
        raise NotFound(f"no log of tenant {tenant!r}; there are: {', '.join(logs) or 'none yet'}")
    return store.head(tenant).size


def _rows(store: SqlLogStore, tenant: str, start: int, stop: int | None) -> Iterator[LeafRow]:
    """Yield entries from ``start`` on; without ``stop`` wait for more, without end."""
    while True:
        for row in store.leaves(tenant, start=start, stop=stop):
            yield row
            start = row.index + 1
        if stop is not None:
            return
        time.sleep(POLL_SECONDS)


def _show(row: LeafRow, as_json: bool) -> None:
    leaf = json.loads(row.body)
    if as_json:
        write_json({"index": row.index, **leaf})
    else:
        write_line(line(row.index, leaf))
    sys.stdout.flush()


def line(index: int, leaf: Mapping[str, object]) -> str:
    """Return one record as one line: index, time, type and what it says."""
    said = " ".join(
        f"{name}={_word(value)}"
        for name, value in sorted(leaf.items())
        if name not in ALIKE and value not in ("", [], {}, None)
    )
    moment = leaf["time"]
    return f"{index:>6}  {when(moment if isinstance(moment, int) else None)}  {leaf['type']}  {said}".rstrip()


def _word(value: object) -> str:
    if isinstance(value, list):
        return ",".join(_word(member) for member in value)
    if isinstance(value, dict):
        return ",".join(f"{name}:{_word(member)}" for name, member in value.items())
    return str(value)
