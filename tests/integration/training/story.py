"""A table of people goes in and a trained model comes out, by the commands that people type."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.datasets.resume import POLICY
from benchmarks.datasets.table import RECIPE, write_table
from tests.e2e.service import run_guard

__all__ = ["ROWS", "Story", "told"]

ROWS = 1200
MODEL = "buyers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A data directory with a dataset ``people``, its budget and a model ``buyers`` in draft."""

    data_dir: Path
    table: Path
    policy: Path
    recipe: Path
    job: str

    def run(self, *arguments: str) -> str:
        """Run a command that must succeed; return what it printed."""
        done = run_guard(self.data_dir, *arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


def told(folder: Path) -> Story:
    """Tell the story up to the model."""
    table, policy, recipe = folder / "people.csv", folder / "policy.yaml", folder / "recipe.yaml"
    write_table(table, ROWS, seed=11)
    policy.write_text(POLICY)
    recipe.write_text(RECIPE.format(name=MODEL))
    story = Story(data_dir=folder / "guard-data", table=table, policy=policy, recipe=recipe, job="")
    story.run("init")
    story.run("dataset", "ingest", str(table), "--policy", str(policy), "--purpose", "research")
    story.run("budget", "set", "people", "--epsilon", "2.5", "--delta", "1e-6")
    trained = json.loads(story.run("train", "submit", str(recipe), "--json"))
    return Story(data_dir=story.data_dir, table=table, policy=policy, recipe=recipe, job=trained["id"])
