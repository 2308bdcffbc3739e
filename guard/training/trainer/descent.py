"""Noisy gradient descent with momentum and a running average, resumable, written ahead.

Before any steps run, ``ahead`` makes durable that they may have run; after them ``keep``
takes a checkpoint. A crash in between costs those steps twice: they count, and are run
again with other masks and other noise, as long as the plan has spare ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from guard.errors import TrainingError
from guard.training.plan import TrainingPlan
from guard.training.state import TrainerState
from guard.training.trainer.compatibility import check_model
from guard.training.trainer.gradients import trainable
from guard.training.trainer.mechanics import Assemble, assemble
from guard.training.units import Units

__all__ = ["Progress", "Trainer", "Watch"]


SMALL = 1_000_000
"""Parameters below which a second thread is waited for longer than it helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is. ``executed``: steps that count as run, re-run ones twice."""

    plan: TrainingPlan
    done: int
    executed: int

    @property
    def steps(self) -> int:
        """How many steps are to be done."""
        return self.plan.recipe.schedule.steps

    @property
    def epsilon(self) -> float:
        """What the executed steps cost, computed when somebody asks."""
        return self.plan.spent(self.executed)


class Watch(Protocol):
    """Whoever watches over a run: the ledger, the checkpoints, the person who may cancel."""

    def ahead(self, executed: int) -> None:
        """Make durable that steps up to ``executed`` may have run. What it raises ends the run."""
        ...

    def keep(self, state: TrainerState) -> None:
        """Take a checkpoint."""
        ...

    def progress(self, progress: Progress) -> None:
        """Hear how far it is."""
        ...

    def cancelled(self) -> bool:
        """Say whether to stop before the next step."""
        ...


def best_device() -> torch.device:
    """Return CUDA if it is there."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Trainer:
    """One run of a plan on its units. Raises ``IncompatibleModel`` when made with a wrong model."""

    def __init__(
        self,
        *,
        plan: TrainingPlan,
        units: Units,
        model: nn.Module,
        parts: Assemble = assemble,
        device: torch.device | None = None,
    ) -> None:
        self._plan = plan
        self._device = device or best_device()
        if sum(parameter.numel() for parameter in model.parameters()) < SMALL:
            torch.set_num_threads(1)
        self._features = torch.from_numpy(units.features).to(self._device)
        self._labels = torch.from_numpy(units.labels).to(self._device)
        self._model = model.to(self._device)
        example = units.features.shape[1:]
        check_model(self._model, torch.zeros(example, dtype=self._features.dtype, device=self._device))
        self._parameters = trainable(self._model)
        self._mechanics = parts(plan, self._model, len(units))
        self._weights = parameters_to_vector(self._parameters).detach().double()
        self._velocity = torch.zeros_like(self._weights)
        self._average = torch.zeros_like(self._weights)
        self._done = 0
        self._executed = 0

    def resume(self, state: TrainerState | None, *, executed: int) -> None:
        """Go on from a checkpoint, or from the start without one.

        ``executed``: what the ledger has written ahead, which is never less than what ran.
        Raises ``TrainingError`` for a checkpoint of another model or from the future.
        """
        if state is not None:
            if state.weights.shape != tuple(self._weights.shape) or state.executed > executed:
                raise TrainingError("the checkpoint is not of this job: its size or its steps do not fit")
            self._done = state.done
            self._weights = self._vector(state.weights)
            self._velocity = self._vector(state.velocity)
            self._average = self._vector(state.average)
        self._executed = executed
        self._load()

    def run(self, watch: Watch) -> TrainerState:
        """Run until the plan is done, cancelled, or without a step left that is paid for."""
        while (todo := self._next_steps()) and not watch.cancelled():
            self._executed += todo
            watch.ahead(self._executed)
            for _ in range(todo):
                if watch.cancelled():
                    return self.state()
                self._step()
            watch.keep(self.state())
            watch.progress(Progress(plan=self._plan, done=self._done, executed=self._executed))
        return self.state()

    def state(self) -> TrainerState:
        """Return where the run stands."""
        return TrainerState(
            done=self._done,
            executed=self._executed,
            weights=self._weights.cpu().numpy().copy(),
            velocity=self._velocity.cpu().numpy().copy(),
            average=self._average.cpu().numpy().copy(),
        )

    def gradient(self) -> Tensor:
        """Return the noisy mean gradient of one step, and leave the weights as they are."""
        chosen = torch.from_numpy(self._mechanics.sampler.draw()).to(self._device)
        # An empty batch goes the same way, so that it is not seen from outside.
        total = self._mechanics.gradients.clipped_sum(self._features[chosen], self._labels[chosen])
        noise = self._vector(self._mechanics.noise.draw(len(total)))
        return (total + noise) / self._mechanics.divisor(len(chosen))

    def _next_steps(self) -> int:
        schedule = self._plan.recipe.schedule
        paid = self._plan.mechanism.steps - self._executed
        return max(0, min(schedule.checkpoint_every, schedule.steps - self._done, paid))

    def _step(self) -> None:
        schedule = self._plan.recipe.schedule
        gradient = self.gradient()
        self._velocity = schedule.momentum * self._velocity + gradient
        self._weights = self._weights - schedule.learning_rate * self._velocity
        self._average = schedule.averaging * self._average + (1 - schedule.averaging) * self._weights
        self._done += 1
        self._load()

    def _load(self) -> None:
        vector_to_parameters(self._weights.float(), self._parameters)

    def _vector(self, values: np.typing.NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values).to(self._device)
