"""Checkpoints: whole or not at all, bound to plan and job, never a pickle."""

from __future__ import annotations

import io
import pickle
import random
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from guard.errors import TrainingError
from guard.keys.envelope import Envelope
from guard.training.checkpoint import pack, read_checkpoint, unpack, write_checkpoint
from guard.training.state import TrainerState

PLAN = "sha256:" + "a" * 64
SEALER = Envelope(bytes(range(32)))


def state(*, done: int = 8, size: int = 50) -> TrainerState:
    values = np.random.default_rng(done)
    return TrainerState(
        done=done,
        executed=done + 2,
        weights=values.normal(size=size),
        velocity=values.normal(size=size),
        average=values.normal(size=size),
    )


def assert_same(found: TrainerState | None, expected: TrainerState) -> None:
    assert found is not None
    for one in fields(TrainerState):
        assert np.array_equal(getattr(found, one.name), getattr(expected, one.name))


def test_a_state_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_checkpoint(path, state(), plan=PLAN, job="job-1", sealer=SEALER)
    assert_same(read_checkpoint(path, plan=PLAN, job="job-1", sealer=SEALER), state())


def test_a_newer_checkpoint_replaces_the_old_one_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    for done in (2, 4):
        write_checkpoint(path, state(done=done), plan=PLAN, job="job-1", sealer=SEALER)
    assert_same(read_checkpoint(path, plan=PLAN, job="job-1", sealer=SEALER), state(done=4))
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint"]
    assert path.stat().st_mode & 0o077 == 0


def test_where_there_is_no_checkpoint_there_is_nothing(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "checkpoint", plan=PLAN, job="job-1", sealer=SEALER) is None


def test_nothing_is_in_clear_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_checkpoint(path, state(), plan=PLAN, job="job-1", sealer=SEALER)
    content = path.read_bytes()
    assert b"weights" not in content and PLAN.encode() not in content
    assert state().weights.tobytes()[:64] not in content


@pytest.mark.parametrize(
    ("plan", "job", "key"),
    [
        ("sha256:" + "b" * 64, "job-1", bytes(range(32))),
        (PLAN, "job-2", bytes(range(32))),
        (PLAN, "job-1", bytes(32)),
    ],
    ids=["another plan", "another job", "another key"],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, plan: str, job: str, key: bytes) -> None:
    path = tmp_path / "checkpoint"
    write_checkpoint(path, state(), plan=PLAN, job="job-1", sealer=SEALER)
    with pytest.raises(TrainingError, match="nothing is loaded"):
        read_checkpoint(path, plan=plan, job=job, sealer=Envelope(key))


def test_any_changed_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    write_checkpoint(path, state(size=3), plan=PLAN, job="job-1", sealer=SEALER)
    content = path.read_bytes()
    chance = random.Random(1)
    for place in chance.sample(range(len(content)), 60):
        changed = bytearray(content)
        changed[place] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(TrainingError, match="nothing is loaded"):
            read_checkpoint(path, plan=PLAN, job="job-1", sealer=SEALER)
    for end in (0, 1, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(TrainingError, match="nothing is loaded"):
            read_checkpoint(path, plan=PLAN, job="job-1", sealer=SEALER)


class Executes:
    """A pickle that would leave a mark if it were loaded."""

    loaded = False

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return setattr, (Executes, "loaded", True)


def torch_file() -> bytes:
    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(3)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Executes()), pickle.dumps(Executes(), protocol=2), torch_file()],
    ids=["pickle", "old pickle", "torch.save"],
)
def test_a_pickle_is_never_loaded_even_if_it_was_sealed(content: bytes) -> None:
    with pytest.raises(TrainingError, match="a pickle is never loaded"):
        unpack(content, plan=PLAN)
    assert not Executes.loaded


def other(**changes: str) -> bytes:
    header = {
        "format": "guard-checkpoint/1",
        "state": f'{{"done":1,"executed":1,"plan":"{PLAN}"}}',
        **changes,
    }
    return save({name: np.zeros(3) for name in ("average", "velocity", "weights")}, metadata=header)


WRONG = [
    ("empty", b"", "not safetensors"),
    ("text", b"weights: 1, 2, 3", "not safetensors"),
    ("protocol 0 pickle", pickle.dumps([1, 2], protocol=0), "not safetensors"),
    ("cut off", pack(state(), plan=PLAN)[:-9], "cannot be read"),
    ("no header", save({"weights": np.zeros(3)}), "not safetensors of ours"),
    ("other format", other(format="guard-checkpoint/2"), "not of the format"),
    ("other plan", pack(state(), plan="sha256:" + "c" * 64), "of another plan"),
    ("no counts", other(state="{}"), "cannot be read"),
    ("counts are no object", other(state="[1]"), "cannot be read"),
    ("not JSON", other(state="{"), "cannot be read"),
    (
        "single precision",
        save(
            {name: np.zeros(3, np.float32) for name in ("average", "velocity", "weights")},
            metadata={"format": "guard-checkpoint/1", "state": f'{{"done":1,"executed":1,"plan":"{PLAN}"}}'},
        ),
        "not those of a trainer",
    ),
    (
        "another vector",
        save(
            {"weights": np.zeros(3)},
            metadata={"format": "guard-checkpoint/1", "state": f'{{"done":1,"executed":1,"plan":"{PLAN}"}}'},
        ),
        "of another plan",
    ),
]


@pytest.mark.parametrize(("content", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_no_checkpoint_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(TrainingError) as caught:
        unpack(content, plan=PLAN)
    assert message in caught.value.message
