"""Models under which the guarantee would not hold are refused, with what to use instead."""

from __future__ import annotations

import pytest
import torch
from opacus.layers import DPLSTM, DPMultiheadAttention
from torch import Tensor, nn

from guard.errors import IncompatibleModel
from guard.training.trainer.compatibility import check_model


class BatchMean(nn.Module):
    """Subtracts the mean over the batch: no layer of any list."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs - inputs.mean(dim=0)


class Faintly(nn.Module):
    """Adds a little of the first unit to every other."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + 1e-3 * inputs[:1]


class Remembers(nn.Module):
    """Keeps a sum of what it saw."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.zeros(6))

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen += inputs.sum(dim=0)
        return inputs


class OneForAll(nn.Module):
    """Returns one output for the whole batch."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.sum(dim=0, keepdim=True)


class Pair(nn.Module):
    """Returns two things."""

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        return inputs, inputs


def with_layer(layer: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 6), layer, nn.Linear(6, 2))


REFUSED = [
    (with_layer(nn.BatchNorm1d(6)), "1 (BatchNorm1d): it takes its statistics from the batch; use GroupNorm"),
    (with_layer(nn.SyncBatchNorm(6)), "use GroupNorm"),
    (with_layer(nn.BatchNorm1d(6, affine=False, track_running_stats=False)), "use GroupNorm"),
    (nn.Sequential(nn.InstanceNorm1d(6, track_running_stats=True)), "set track_running_stats=False"),
    (nn.MultiheadAttention(6, 2, batch_first=True), "build attention from Linear"),
    (DPMultiheadAttention(6, 2, batch_first=True), "build attention from Linear"),
    (nn.LSTM(6, 2), "use the DPLSTM"),
    (with_layer(BatchMean()), "depends on other units"),
    (with_layer(Faintly()), "depends on other units"),
    (with_layer(nn.Softmax(dim=0)), "depends on other units"),
    (with_layer(Remembers()), "keeps what it saw"),
    (with_layer(OneForAll()), "not one for each unit"),
    (Pair(), "something other than one tensor"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_a_model_that_mixes_units_is_refused(model: nn.Module, message: str) -> None:
    with pytest.raises(IncompatibleModel) as caught:
        check_model(model, torch.zeros(6))
    assert message in caught.value.message


class Last(nn.Module):
    """The last output of a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = DPLSTM(3, 4, batch_first=True)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.recurrent(inputs)[0][:, -1]
        return outputs


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (nn.Linear(6, 2), torch.zeros(6)),
        (with_layer(nn.GroupNorm(2, 6)), torch.zeros(6)),
        (with_layer(nn.LayerNorm(6)), torch.zeros(6)),
        (with_layer(nn.Dropout(0.5)), torch.zeros(6)),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.GroupNorm(1, 2), nn.Flatten(), nn.Linear(18, 2)),
            torch.zeros(1, 5, 5),
        ),
        (
            nn.Sequential(nn.Embedding(2, 4), nn.Flatten(), nn.Linear(12, 2)),
            torch.zeros(3, dtype=torch.int64),
        ),
        (Last(), torch.zeros(5, 3)),
    ],
    ids=["linear", "group norm", "layer norm", "dropout", "convolution", "embedding", "recurrent"],
)
def test_a_model_that_takes_units_one_by_one_is_accepted(model: nn.Module, example: Tensor) -> None:
    check_model(model, example)


def test_the_trial_leaves_the_random_numbers_of_others_alone() -> None:
    model = with_layer(nn.Dropout(0.5))
    before = torch.random.get_rng_state()
    check_model(model, torch.zeros(6))
    assert torch.equal(before, torch.random.get_rng_state())
