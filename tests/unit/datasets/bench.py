"""A folder, a keyring, a policy and a store in memory to ingest small tables with."""

from __future__ import annotations

import random
from pathlib import Path

from guard.datasets.ingest import write_dataset
from guard.datasets.plan import Plan, Request, plan_ingest
from guard.datasets.reader import ShardReader
from guard.datasets.survey import survey
from guard.datasets.transform import Transformer
from guard.documents.rows import RowFile, open_row_file
from guard.domain.dataset import Dataset
from guard.domain.privacy import PrivacyUnit, UnitKind
from guard.keys.keyring import Keyring
from guard.policy.dataset import DatasetPolicy, load_dataset_policy
from guard.protection.surrogate import Surrogates
from guard.screening.engine import compile_screener
from tests.fakes.datasets import MemoryDatasetStore

__all__ = ["CARD", "EMAIL", "EXAMPLE", "HEADER", "SHORT_CARD", "Bench", "people", "table"]

EMAIL = "maria.gomez@kestrel-labs.com"
CARD = "5425233430109903"
SHORT_CARD = "372829192837468"
EXAMPLE = PrivacyUnit(kind=UnitKind.EXAMPLE)
KEY = bytes(32)
POLICY = b"""
apiVersion: guard/v1
kind: DatasetPolicy
metadata: {name: tests}
spec:
  columns:
    - {match: customer, action: pseudonymise}
    - {match: birth, action: {generalise: {keep_first: 4}}}
    - {match: age, action: {generalise: {width: 10}}}
    - {match: plate, action: {mask: {keep_last: 2}}}
    - {match: secret, action: drop}
  types:
    - {group: contact, action: surrogate}
    - {group: payment, action: drop}
  unmatched: drop
  otherwise: keep
"""


class Bench:
    """Ingests tables of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = Keyring.create(folder / "keyring")
        self.store = MemoryDatasetStore()
        self.policy: DatasetPolicy = load_dataset_policy(POLICY, file="dataset.yaml")

    def request(
        self, name: str = "people", unit: PrivacyUnit = EXAMPLE, parent: str | None = None
    ) -> Request:
        return Request(
            name=name,
            tenant="default",
            unit=unit,
            purpose="tests",
            licence="CC0-1.0",
            parent=parent,
        )

    def plan(self, path: Path, request: Request) -> tuple[RowFile, Plan]:
        source = open_row_file(path)
        surveyed = survey(
            path,
            source,
            unit=request.unit,
            screener=compile_screener(),
            key=KEY,
            below=random.Random(1).randrange,
        )
        return source, plan_ingest(request, surveyed, self.policy, self.store)

    def ingest(self, path: Path, request: Request | None = None) -> tuple[Dataset, dict[str, int]]:
        wanted = request or self.request()
        source, plan = self.plan(path, wanted)
        return self.write(plan, source)

    def write(self, plan: Plan, source: RowFile) -> tuple[Dataset, dict[str, int]]:
        tokens = Surrogates(key=KEY, tenant="default", application="datasets", scope=plan.id)
        transformer = Transformer(
            [item.column for item in plan.survey.columns],
            plan.transforms,
            policy=self.policy,
            screener=compile_screener(),
            surrogates=tokens,
            pseudonyms=tokens,
        )
        return write_dataset(
            plan,
            source,
            principal="me",
            folder=self.at(plan.id),
            transformer=transformer,
            keys=self.keys,
            store=self.store,
            clock=lambda: 1,
        )

    def at(self, dataset: str) -> Path:
        return self.folder / dataset.removeprefix("sha256:")

    def rows(self, dataset: Dataset) -> list[dict[str, object]]:
        reader = ShardReader(dataset, folder=self.at(dataset.id), keys=self.keys)
        return [dict(row) for row in reader.rows()]


def table(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


HEADER = "customer,birth,age,plate,secret,note,amount"


def people(bench: Bench, count: int = 35, first: int = 0) -> Path:
    lines = [HEADER]
    for number in range(first, first + count):
        note = f"see {EMAIL} or {CARD}" if number == 17 else f"note {number}"
        born, plate = f"1980-0{number % 9 + 1}-01", f"AB {number:03d} XY"
        lines.append(f"c{number % 5},{born},{20 + number},{plate},s{number},{note},{number}.5")
    return table(bench.folder / f"people{first}.csv", lines)
