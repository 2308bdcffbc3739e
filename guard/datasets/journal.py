"""How far an ingest has come, one line a finished shard: what a crash resumes from.

A line is durable before the next shard begins. It holds names, counts and digests only.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from guard.documents.rows import Place
from guard.domain.dataset import Shard

__all__ = ["Journal", "Step"]

NAME = "journal.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A finished shard, the place in the source behind it, and findings changed in it by type.

    ``total``: what the rows up to here add up to (``RowsDigest``).
    """

    shard: Shard
    after: Place
    total: str
    changed: dict[str, int]


class Journal:
    """The journal of one dataset's folder. ``source``: digest of the file that is ingested."""

    def __init__(self, folder: Path, *, source: str) -> None:
        self._path = folder / NAME
        self._source = source

    def steps(self) -> list[Step]:
        """Return the finished steps of the same source; a torn last line counts as not written."""
        if not self._path.exists():
            return []
        steps = []
        for line in self._path.read_bytes().split(b"\n"):
            try:
                plain = json.loads(line)
                if plain["source"] != self._source:
                    return []
                steps.append(
                    Step(
                        shard=Shard(name=plain["shard"], rows=plain["rows"], digest=plain["digest"]),
                        after=Place(rows=plain["read"], offset=plain["offset"]),
                        total=plain["total"],
                        changed=plain["changed"],
                    )
                )
            except (ValueError, KeyError, TypeError):
                break
        return steps

    def rewrite(self, steps: list[Step]) -> None:
        """Start again from ``steps``: what follows them is forgotten."""
        with self._path.open("wb") as file:
            file.writelines(self._line(step) for step in steps)
            file.flush()
            os.fsync(file.fileno())

    def add(self, step: Step) -> None:
        """Append a step, durably."""
        with self._path.open("ab") as file:
            file.write(self._line(step))
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """Forget everything: the dataset is registered."""
        self._path.unlink(missing_ok=True)

    def _line(self, step: Step) -> bytes:
        plain = {
            "source": self._source,
            "shard": step.shard.name,
            "rows": step.shard.rows,
            "digest": step.shard.digest,
            "read": step.after.rows,
            "offset": step.after.offset,
            "total": step.total,
            "changed": step.changed,
        }
        return json.dumps(plain).encode() + b"\n"
