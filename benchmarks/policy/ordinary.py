"""How often the default pack changes a prompt that holds nobody's data.

Each prompt passes the stages that a request passes: screen, decide, plan, apply. What is
changed is listed by file, line, type and rule; the value is never shown.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import ROOT, SHARED
from benchmarks.outcome import Fact, Measured, NotRun, Outcome, Say
from guard.domain.decision import Decision, Direction, Operator
from guard.domain.entities import CATALOGUE
from guard.pipeline.rehearse import rehearse
from guard.policy.check import load_pack
from guard.policy.engine import Facts
from guard.screening.engine import compile_screener
from guard.storage.truth import read_pack

__all__ = ["FILES", "Change", "changes", "measure", "ordinary"]

FILES = (
    "prompts/arena_hard_v01.jsonl.gz",
    "prompts/human_eval.jsonl.gz",
    "negatives/files.jsonl.gz",
    "negatives/lookalikes.jsonl.gz",
    "negatives/zh_idioms.txt.gz",
)
FACTS = Facts(direction=Direction.REQUEST, application="bench", purpose="general", model="m", region="r")
KEY = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One reason why a prompt was changed."""

    file: str
    line: int
    entity_type: str
    rule: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.entity_type}, rule {self.rule}"


def measure(*, seed: int, say: Say) -> Outcome:
    """Put every prompt through the default pack. ``seed`` plays no part: nothing is drawn."""
    paths = [SHARED / name for name in FILES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise NotRun(f"the open data is not beside the repository: {', '.join(missing)} (seed {seed})")
    return ordinary(paths, say=say)


def ordinary(paths: Sequence[Path], *, say: Say) -> Outcome:
    """Measure the prompts of some files, each by itself: a large one must not hide a bad one."""
    measured: list[Measured] = []
    facts: list[Fact] = []
    notes: list[str] = []
    for path in paths:
        lines = list(texts(path))
        found = list(changes(path.name, lines))
        touched = len({change.line for change in found})
        measured.append(Measured(bar="changed", case=path.name, value=100 * touched / len(lines)))
        facts.append(Fact(what=f"prompts in {path.name}", value=len(lines), unit="prompts"))
        notes += [str(change) for change in found]
        say(f"{path.name}: {touched} of {len(lines):,}")
    return Outcome(measured=tuple(measured), facts=tuple(facts), notes=tuple(notes))


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a file: the ``text`` of each JSON line, or each line."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield str(json.loads(line)["text"]) if path.name.endswith(".jsonl.gz") else line.rstrip("\n")


def changes(file: str, prompts: Sequence[str]) -> Iterator[Change]:
    """Yield why prompts are changed (or refused), with the numbers of their lines."""
    policy, _ = load_pack(read_pack(ROOT / "policies" / "default"))
    screener = compile_screener(policy.thresholds)
    for number, text in enumerate(prompts, start=1):
        trial = rehearse(text, screener=screener, policy=policy, facts=FACTS, key=KEY)
        if trial.protected == text:
            continue
        for entity_type, rule in sorted(_reasons(trial.decision)):
            yield Change(file=file, line=number, entity_type=entity_type, rule=rule)


def _reasons(decision: Decision) -> set[tuple[str, str]]:
    return {
        (CATALOGUE[obligation.finding.entity_type].name, obligation.rule)
        for obligations in decision.obligations
        for obligation in obligations
        if obligation.operator is not Operator.KEEP
    }
