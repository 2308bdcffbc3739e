"""A recorder that keeps what it gets, writes by name once, and fails when it is told to."""

from __future__ import annotations

from guard.domain.event import CheckpointSummary, Receipt, Record
from guard.errors import AuditUnavailable

__all__ = ["KeptRecords"]


class KeptRecords:
    """Implements ``domain.event.Recorder``. ``failing``: how many appends from now on fail."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.failing = 0
        self._once: dict[str, Receipt] = {}

    async def append(self, record: Record) -> Receipt:
        """Keep a record, or raise ``AuditUnavailable``."""
        if self.failing:
            self.failing -= 1
            raise AuditUnavailable("told to fail")
        if record.once in self._once:
            return self._once[record.once]
        self.records.append(record)
        index = len(self.records) - 1
        receipt = Receipt(tenant=record.tenant, index=index, time=index, id=f"leaf-{index}")
        if record.once:
            self._once[record.once] = receipt
        return receipt

    def checkpoint(self, tenant: str) -> CheckpointSummary | None:
        """Know none."""
        return None
