"""Make the two tables of the training demo: ``adult.csv`` to learn from, ``public.csv`` to measure with.

With UCI's Adult table (27,677 rows of it) every sixth row becomes public. Without it, rows
are made up by a fixed rule, with the same columns.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from guard.training.recipe import Category, Recipe, load_recipe

PUBLIC_EVERY = 6
MADE_UP = 24_000
RICH = 18
"""From this sum on a made-up person earns much."""
RECIPE = Path(__file__).resolve().parents[1] / "guard/training/recipes/adult.yaml"


def real(path: Path) -> Iterator[list[str]]:
    """Yield the header and the rows of the real table."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    yield from csv.reader(io.StringIO(text, newline=""))


def made_up(recipe: Recipe) -> Iterator[list[str]]:
    """Yield a header and rows in which income follows from a few columns, with chance."""
    chance = random.Random(1994)
    yield [*(feature.column for feature in recipe.features), recipe.target.column]
    for _ in range(MADE_UP):
        row = [
            chance.choice(feature.vocabulary)
            if isinstance(feature, Category)
            else str(chance.randint(int(feature.low), min(int(feature.high), 90)))
            for feature in recipe.features
        ]
        named = dict(zip((feature.column for feature in recipe.features), row, strict=True))
        rich = int(named["education-num"]) + int(named["age"]) / 8 + chance.gauss(0, 3)
        if named["marital-status"].startswith("Married"):
            rich += 3
        yield [*row, recipe.target.classes[int(rich > RICH)]]


def main(source: Path, folder: Path) -> None:
    """Write both tables."""
    rows = real(source) if source.is_file() else made_up(load_recipe(RECIPE.read_bytes()))
    header = next(rows)
    counts = [0, 0]
    with (
        (folder / "adult.csv").open("w", newline="") as private,
        (folder / "public.csv").open("w", newline="") as public,
    ):
        writers = csv.writer(private), csv.writer(public)
        for writer in writers:
            writer.writerow(header)
        for number, row in enumerate(rows):
            which = int(number % PUBLIC_EVERY == 0)
            writers[which].writerow(row)
            counts[which] += 1
    what = "UCI Adult" if source.is_file() else f"made up, because {source} is not there"
    sys.stdout.write(f"adult.csv: {counts[0]} rows to learn from; public.csv: {counts[1]} rows ({what})\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
