"""A table of people that never were, with values that must not be found on any disk."""

from __future__ import annotations

import csv
import random
from pathlib import Path

__all__ = ["CLEAR", "RECIPE", "write_table"]

CLEAR = ("kestrel-labs.com", "Marzipan Lane", "5425233430109903", "PAR1")
"""What stands in many rows, and how an unencrypted Parquet file begins."""
TOWNS = ("Aarhus", "Bergen", "Cork", "Delft")

RECIPE = """\
apiVersion: guard/v1
kind: TrainingRecipe
metadata: {{name: {name}}}
spec:
  recipe: tabular-classification
  dataset: people
  target: {{column: buys, classes: ["no", "yes"]}}
  features:
    - {{column: age, low: 0, high: 100, bins: [20, 30, 40, 50, 60, 70]}}
    - {{column: visits, low: 0, high: 50}}
    - {{column: town, vocabulary: [Aarhus, Bergen, Cork, Delft]}}
  privacy: {{epsilon: 1, delta: 1e-6, max_grad_norm: 0.5}}
  schedule:
    {{sample_rate: 0.1, steps: 60, spare_steps: 30, checkpoint_every: 3, learning_rate: 8, averaging: 0.9}}
  card:
    purpose: Tests of resuming.
    intended_use: Tests.
    out_of_scope: Anything else.
    owner: tests
    evaluation: None; the rows were made up.
    limits: The people never were.
"""


def write_table(path: Path, rows: int, *, seed: int) -> None:
    """Write ``rows`` people to a CSV file."""
    draw = random.Random(seed)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "email", "note", "age", "visits", "town", "buys"])
        for number in range(rows):
            age, visits = draw.randrange(18, 95), draw.randrange(50)
            note = f"{number} Marzipan Lane" if number % 7 else f"paid with {CLEAR[2]}"
            writer.writerow(
                [
                    f"Person {number}",
                    f"p{number}@{CLEAR[0]}",
                    note,
                    age,
                    visits,
                    draw.choice(TOWNS),
                    "yes" if age + visits + draw.gauss(0, 15) > 80 else "no",
                ]
            )
