"""The little Markdown that the pages need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["code", "page", "table", "words"]

RENEW = "Made from the code by `.venv/bin/python -m docs.generator`; do not edit."


def page(title: str, *blocks: str) -> str:
    """Return a page with its title and where it comes from."""
    return "\n\n".join((f"# {title}", RENEW, *(block.strip("\n") for block in blocks))) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars and line ends inside a cell are made harmless."""
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


def code(values: Iterable[str]) -> str:
    """Return words as code, with commas; a dash for none."""
    return ", ".join(f"`{value}`" for value in values) or "–"


def words(known: Mapping[str, str], name: str, file: str) -> str:
    """Return what people say about ``name``. Raises ``LookupError`` that says where to say it."""
    if name not in known:
        raise LookupError(f"{file} has no words for {name!r}; write them there")
    return known[name]
