"""A recorder that does what a test says: fails, denies, or waits, by the type of the record.

Every record becomes a leaf by the log's own code, so one whose names or values are off
fails here as it would there. ``journal`` shows what happened before what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from guard.audit.leaf import prepare
from guard.domain.event import CheckpointSummary, Denied, Receipt, Record
from tests.fakes.sealer import ClearSealer

__all__ = ["ScriptedRecorder"]

ENTROPY = bytes(1024)


class ScriptedRecorder:
    """Implements ``domain.event.Recorder``.

    ``faults``: what the next appends of a type raise. ``denials``: how many of the next
    records with holds are denied. ``gates``: an append of a type waits for its gate.
    """

    def __init__(self, journal: list[str]) -> None:
        self.journal = journal
        self.records: list[Record] = []
        self.faults: dict[str, list[BaseException]] = {}
        self.denials = 0
        self.gates: dict[str, asyncio.Event] = {}
        self.summary: CheckpointSummary | None = None

    async def append(self, record: Record) -> Receipt | Denied:
        """Write one record, a moment later."""
        self.journal.append(f"append {record.type}")
        self._leaf(record)
        await asyncio.sleep(0)
        if record.type in self.gates:
            await self.gates[record.type].wait()
        faults = self.faults.get(record.type)
        if faults:
            raise faults.pop(0)
        if record.holds and record.denied and self.denials:
            self.denials -= 1
            return Denied(hold=record.holds[0], receipt=self._write(record.denied), retry_after=7)
        return self._write(record)

    def checkpoint(self, tenant: str) -> CheckpointSummary | None:
        """Return the summary that the test set."""
        return replace(self.summary, origin=tenant) if self.summary else None

    def of(self, *types: str) -> Sequence[Record]:
        """Return the durable records of some types."""
        return [record for record in self.records if record.type in types]

    def types(self) -> list[str]:
        """Return the types of the durable records."""
        return [record.type.removeprefix("exchange.") for record in self.records]

    def clear(self) -> bytes:
        """Return everything that stands in the open in the leaves."""
        return b"\n".join(self._leaf(record) for record in self.records)

    def _write(self, record: Record) -> Receipt:
        self._leaf(record)
        self.records.append(record)
        self.journal.append(f"durable {record.type}")
        index = len(self.records) - 1
        return Receipt(tenant=record.tenant, index=index, time=index, id=f"leaf-{index}")

    def _leaf(self, record: Record) -> bytes:
        leaf = prepare(record, boot="boot", leaf_id="leaf", entropy=ENTROPY, sealer=ClearSealer())
        return leaf.at(1)
