"""Start writers, read what they acknowledged, and judge the log that they left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from guard.audit.fsck import Report, fsck
from guard.audit.lease import alive
from guard.storage.log import SqlLogStore
from tests.fakes.exports import SIGNER
from tests.fakes.sealer import ClearSealer

__all__ = ["Acknowledged", "Writer", "check", "start_writers"]

ROOT = Path(__file__).parents[3]


@dataclass
class Acknowledged:
    """What a writer said before it ended."""

    opened: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    done: bool = False

    def read(self, lines: Sequence[str]) -> None:
        """Take in a writer's lines; one that a kill has cut is none."""
        for line in lines:
            if not line.endswith("\n"):
                continue
            word, *rest = line.split()
            if word == "opened":
                self.opened[rest[0]] = int(rest[1])
            elif word == "ended":
                self.ended[rest[0]] = int(rest[1])
            elif word == "denied":
                self.denied.add(rest[0])
            elif word == "failed":
                self.failed.add(rest[0])
            else:
                assert word == "done", line
                self.done = True


class Writer:
    """One process of ``writer.py``."""

    def __init__(self, folder: Path, name: str, exchanges: int, *options: str) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.integration.storage.writer",
                str(folder),
                name,
                str(exchanges),
                *options,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def go(self) -> None:
        """Let it start."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def read_until(self, opened: int) -> list[str]:
        """Return its lines up to this many acknowledged intents."""
        assert self._process.stdout is not None
        lines: list[str] = []
        while sum(line.startswith("opened") for line in lines) < opened:
            line = self._process.stdout.readline()
            if not line:
                break
            lines.append(line)
        return lines

    def kill(self) -> None:
        """Kill it with -9, wherever it is."""
        self._process.kill()

    def result(self, before: Sequence[str] = ()) -> Acknowledged:
        """Wait for its end and return all it has said; what it said on standard error is a failure."""
        process = self._process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        # Not communicate(): it would lose what read_until has left in the buffer.
        out, err = process.stdout.readlines(), process.stderr.read()
        process.wait(timeout=120)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        assert not err, err
        said = Acknowledged()
        said.read([*before, *out])
        return said


def start_writers(folder: Path, count: int, exchanges: int, *options: str) -> list[Writer]:
    """Start writers together."""
    writers = [Writer(folder, f"w{number}", exchanges, *options) for number in range(count)]
    for writer in writers:
        writer.go()
    return writers


def check(folder: Path, store: SqlLogStore, said: Sequence[Acknowledged]) -> Report:
    """Check the log whole, and that all that was acknowledged is where its receipt says."""
    bodies = [leaf.body for leaf in store.leaves("default")]
    entries = [json.loads(body) for body in bodies]
    assert all(before["time"] < after["time"] for before, after in pairwise(entries))
    for acknowledged in said:
        for kind, receipts in (("intent", acknowledged.opened), ("outcome", acknowledged.ended)):
            for exchange, index in receipts.items():
                assert (entries[index]["exchange"], entries[index]["type"]) == (exchange, f"exchange.{kind}")
        assert acknowledged.ended.keys() <= acknowledged.opened.keys()
    return fsck(
        store,
        public=SIGNER.public,
        opener=ClearSealer(),
        alive=lambda boot: alive(folder / "boots", boot),
    )
