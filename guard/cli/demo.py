"""``guard demo``: the first five minutes, against a running ``make run``.

Finds the service of the data directory, issues itself a key for an hour, and revokes it
at the end. Everything that is shown has just happened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from guard.cli.options import (
    AsJson,
    DataDir,
    choose,
    deliver,
    microseconds_now,
    opened,
    write_json,
    write_line,
)
from guard.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from guard.cli.scenes import Scene
    from guard.settings import Settings
    from guard.storage.installation import Installation

__all__ = ["demo"]

HOUR = 3_600_000_000


def demo(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show the first five minutes with the demo model; start it first: guard serve.

    One policy rule is added for the demo's own application and taken out again.

    Example: guard demo
    """
    from rich.console import Console

    from guard.cli.caller import Caller
    from guard.cli.running import running
    from guard.cli.scenes import Stage

    settings = choose(data_dir=data_dir)
    service = running(settings.data_dir)
    if service is None:
        raise ConfigurationError(f"nothing serves {settings.data_dir}; in another terminal: make run")
    if service.demo is None:
        raise ConfigurationError(
            "guard.yaml has no demo model (base_url: builtin:demo); "
            "try: GUARD_DATA_DIR=/tmp/guard-demo GUARD_PORT=8090 make run"
        )
    if not as_json:
        _announce(settings)
    shown: list[Scene] = []
    with opened(data_dir) as installation, _key(installation) as key:
        stage = Stage(installation, Caller(service.address, key), demo=service.demo)
        for scene in stage.scenes():
            shown.append(scene)
            if not as_json:
                _show(Console(), len(shown), scene)
    if as_json:
        write_json(
            [{"title": scene.title, "columns": scene.columns, "notes": scene.notes} for scene in shown]
        )


def _announce(settings: Settings) -> None:
    from guard.registry.configuration import load_configuration

    folder = load_configuration(settings.config_path).policies_path
    write_line(f"For a moment this adds one rule to {folder}/screening.yaml, for its own application only.")
    write_line()


@contextmanager
def _key(installation: Installation) -> Iterator[str]:
    """Hold a key of the demo's application; it ends with the demo, at the latest in an hour."""
    from guard.cli.keys import issuer
    from guard.cli.scenes import APPLICATION
    from guard.identity.issuance import Grant
    from guard.storage.installation import new_id

    now = microseconds_now()
    grant = Grant(application=APPLICATION, expires=now + HOUR)
    issued = issuer(installation).issue(grant, key_id=new_id(), now=now, entropy=os.urandom(32))
    deliver(installation)
    try:
        yield issued.key
    finally:
        issuer(installation).revoke(issued.record.id, now=microseconds_now())
        deliver(installation)


def _show(console: Console, number: int, scene: Scene) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"{number}. {scene.title}",
        caption="\n".join(scene.notes) or None,
        title_justify="left",
        caption_justify="left",
        expand=True,
        show_lines=True,
    )
    for heading in scene.columns:
        # Text, not markup: brackets in an answer are no formatting.
        table.add_column(Text(heading), ratio=1, overflow="fold")
    table.add_row(*(Text(text) for text in scene.columns.values()))
    console.print(table)
    console.print()
