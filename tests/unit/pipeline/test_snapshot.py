"""Reloads: a change is in force at once, a broken file changes nothing, and each is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest

from guard.domain.principal import Application
from guard.errors import AuditUnavailable, ConfigurationError
from guard.identity.api_keys import KeyRecord
from guard.pipeline.snapshot import Governance, SnapshotSource
from tests.fakes.recorder_scripted import ScriptedRecorder
from tests.unit.pipeline.house import House


class ScriptedTruth:
    """Implements ``pipeline.snapshot.Truth``."""

    def __init__(self) -> None:
        house = House()
        snapshot = house.snapshot()
        self.known = snapshot.governance
        self.key = house.key
        self.version = "1"
        self.key_version = 1
        self.all_keys: dict[str, KeyRecord] = dict(snapshot.keys)
        self.broken: str | None = None
        self.failing: OSError | None = None
        self.reads = 0

    def governance_version(self) -> str:
        """Return the mark of the files."""
        return self.version

    def governance(self) -> Governance:
        """Read them."""
        self.reads += 1
        if self.broken:
            raise ConfigurationError(self.broken)
        return self.known

    def keys_version(self) -> int:
        """Return the counter of the keys."""
        return self.key_version

    def keys(self) -> Mapping[str, KeyRecord]:
        """Return the keys."""
        if self.failing:
            raise self.failing
        return dict(self.all_keys)

    def change(self, digest: str) -> None:
        """Change the access policy."""
        self.known = replace(self.known, access_digest=digest)
        self.version += "+"


@pytest.fixture
def truth() -> ScriptedTruth:
    """Return a truth."""
    return ScriptedTruth()


@pytest.fixture
def source(truth: ScriptedTruth) -> SnapshotSource:
    """Return a source that has read it."""
    return SnapshotSource(truth, source="file")


def test_nothing_is_read_again_while_nothing_has_changed(
    truth: ScriptedTruth, source: SnapshotSource
) -> None:
    first = source.current
    assert source.refresh() is None
    assert source.current is first and truth.reads == 1


def test_a_change_is_in_force_and_recorded_with_the_digests_under_it(
    truth: ScriptedTruth, source: SnapshotSource
) -> None:
    before = source.current
    truth.change("sha256:new")
    record = source.refresh()
    assert record is not None and record.type == "policy.loaded"
    assert source.current.digest != before.digest
    assert record.fields["policy"] == source.current.digest
    assert record.fields["digests"] == source.current.governance.digests
    assert source.current.governance.digests["access"] == "sha256:new"
    assert before.governance.access_digest != "sha256:new", "an exchange keeps what it took"


def test_a_file_that_was_touched_and_says_the_same_is_no_change(
    truth: ScriptedTruth, source: SnapshotSource
) -> None:
    truth.version = "2"
    assert source.refresh() is None and truth.reads == 2


def test_a_broken_file_keeps_the_last_good_snapshot_and_says_what_is_wrong(
    truth: ScriptedTruth, source: SnapshotSource
) -> None:
    good = source.current
    truth.broken, truth.version = "screening.yaml:3:1: no", "2"
    record = source.refresh()
    assert record is not None and record.type == "policy.rejected"
    assert record.fields["reason"] == "screening.yaml:3:1: no" and record.fields["policy"] == good.digest
    assert source.current is good and source.problem == "screening.yaml:3:1: no"
    assert source.refresh() is None, "told once"
    truth.broken, truth.version = None, "3"
    assert source.refresh() is None, "the good one was in force all along"
    assert source.problem is None


def test_a_repair_that_changes_something_is_recorded(truth: ScriptedTruth, source: SnapshotSource) -> None:
    truth.broken, truth.version = "no", "2"
    source.refresh()
    truth.broken = None
    truth.change("sha256:new")
    record = source.refresh()
    assert record is not None and record.type == "policy.loaded"


def test_keys_change_without_the_policies(truth: ScriptedTruth, source: SnapshotSource) -> None:
    before = source.current
    truth.all_keys, truth.key_version = {}, 2
    assert source.refresh() is None
    assert source.current.keys == {} and source.current.digest == before.digest
    assert truth.reads == 1


def test_an_unknown_application_has_the_defaults(source: SnapshotSource) -> None:
    assert source.current.application("nobody") == Application(name="nobody")
    assert source.current.application("crm").name == "crm"


class Rounds:
    """A sleep that ends the watching after some rounds."""

    def __init__(self, *steps: object) -> None:
        self.steps = list(steps)

    async def __call__(self, _: float) -> None:
        if not self.steps:
            raise asyncio.CancelledError
        step = self.steps.pop(0)
        if callable(step):
            step()


def watched(source: SnapshotSource, recorder: ScriptedRecorder, *steps: object) -> list[BaseException]:
    """Watch for a round a step; return the faults."""
    faults: list[BaseException] = []

    async def scenario() -> None:
        with pytest.raises(asyncio.CancelledError):
            await source.watch(recorder, seconds=1, sleep=Rounds(*steps), failed=faults.append)

    asyncio.run(scenario())
    return faults


def test_a_change_that_cannot_be_recorded_at_once_is_recorded_when_the_log_is_back(
    truth: ScriptedTruth, source: SnapshotSource
) -> None:
    recorder = ScriptedRecorder([])
    recorder.faults["policy.loaded"] = [AuditUnavailable("away")] * 2
    faults = watched(
        source,
        recorder,
        lambda: truth.change("sha256:1"),
        lambda: truth.change("sha256:2"),
        None,
        None,
    )
    assert [type(fault) for fault in faults] == [AuditUnavailable] * 2
    for record, digest in zip(recorder.records, ("sha256:1", "sha256:2"), strict=True):
        told = record.fields["digests"]
        assert isinstance(told, dict) and told["access"] == digest


def test_a_storage_that_fails_keeps_the_snapshot_and_is_reported(
    truth: ScriptedTruth, source: SnapshotSource
) -> None:
    good = source.current

    def breaks() -> None:
        truth.key_version, truth.failing = 2, OSError("disk")

    faults = watched(source, ScriptedRecorder([]), breaks, None)
    assert faults and source.current is good
