"""Take the snippets out of what ``make run`` printed, as a person would who pastes them."""

from __future__ import annotations

import sys
from pathlib import Path


def block(text: str, title: str) -> str:
    """Return the indented lines below a title, without their indent."""
    lines = text[text.index(title) :].splitlines()[1:]
    taken: list[str] = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        taken.append(line[4:])
    return "\n".join(taken).strip() + "\n"


def main(printed: Path, folder: Path) -> None:
    """Write both snippets into ``folder``."""
    text = printed.read_text()
    (folder / "snippet.py").write_text(block(text, "Python (pip install openai):"))
    (folder / "snippet.sh").write_text(block(text, "Shell:"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
