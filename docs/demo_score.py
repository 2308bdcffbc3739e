"""Ask a served model about public rows, through the gate, and say how good it is."""

from __future__ import annotations

import csv
import json
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from guard.training.recipe import Category, Recipe, load_recipe

BATCH = 500


def tensors(recipe: Recipe, rows: Sequence[dict[str, str]]) -> list[dict[str, object]]:
    """Return one tensor a column."""
    made: list[dict[str, object]] = []
    for feature in recipe.features:
        texts = [row[feature.column] for row in rows]
        data: list[object] = list(texts) if isinstance(feature, Category) else [float(text) for text in texts]
        datatype = "BYTES" if isinstance(feature, Category) else "FP32"
        made.append({"name": feature.column, "shape": [len(rows)], "datatype": datatype, "data": data})
    return made


def ask(url: str, key: str, body: object) -> tuple[list[str], str]:
    """Return the labels, and the exchange that brought them."""
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        outputs = {output["name"]: output["data"] for output in json.load(answer)["outputs"]}
        return outputs["label"], answer.headers["x-guard-request"]


def main(table: Path, base: str, key: str, recipe_file: Path) -> None:
    """Score every row; leave the last exchange's id in the file ``exchange``."""
    recipe = load_recipe(recipe_file.read_bytes())
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    said: list[str] = []
    for start in range(0, len(rows), BATCH):
        labels, exchange = ask(
            f"{base}/v2/models/{recipe.name}/infer",
            key,
            {"inputs": tensors(recipe, rows[start : start + BATCH])},
        )
        said += labels
    Path("exchange").write_text(exchange)
    wanted = [row[recipe.target.column] for row in rows]
    positive = recipe.target.classes[1]
    right = sum(one == other for one, other in zip(said, wanted, strict=True))
    both = sum(one == other == positive for one, other in zip(said, wanted, strict=True))
    f1 = 2 * both / max(1, said.count(positive) + wanted.count(positive))
    sys.stdout.write(f"{len(rows)} public rows asked: accuracy {right / len(rows):.2%}, F1 {f1:.3f}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
