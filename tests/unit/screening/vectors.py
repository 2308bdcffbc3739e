"""The published numbers of ``tests/vectors/screening``."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["CARDS", "IBANS", "RESIDENTS"]

FILE = Path(__file__).parents[2] / "vectors" / "screening" / "numbers.json"
NUMBERS: dict[str, dict[str, list[str]]] = json.loads(FILE.read_text(encoding="utf-8"))
CARDS = NUMBERS["cards"]["values"]
IBANS = NUMBERS["ibans"]["values"]
RESIDENTS = NUMBERS["residents"]["values"]
