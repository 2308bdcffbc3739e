"""Write the pages of ``docs/reference``, or with ``--check`` say which are stale."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from docs.generator import commands, entities, errors, events, operators, settings

FOLDER = Path(__file__).parents[1] / "reference"
COMMAND = ".venv/bin/python -m docs.generator"
PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands.render,
    "settings.md": settings.render,
    "errors.md": errors.render,
    "events.md": events.render,
    "entities.md": entities.render,
    "operators.md": operators.render,
}


def stale() -> list[str]:
    """Return the pages whose file is not what the code says."""
    return [name for name, render in PAGES.items() if not _is(FOLDER / name, render())]


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: list[str]) -> int:
    """Return 1 if ``--check`` finds a stale page."""
    if "--check" in arguments:
        names = stale()
        if names:
            sys.stderr.write(f"stale: {', '.join(names)}; renew with: {COMMAND}\n")
        return 1 if names else 0
    FOLDER.mkdir(exist_ok=True)
    for name, render in PAGES.items():
        (FOLDER / name).write_text(render(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
