"""The trainer: the only room that knows torch and Opacus' gradients."""

from guard.training.trainer.descent import Progress, Trainer, Watch
from guard.training.trainer.mechanics import Assemble, Mechanics, assemble
from guard.training.trainer.models import linear_model, model_for, two_layer_model

__all__ = [
    "Assemble",
    "Mechanics",
    "Progress",
    "Trainer",
    "Watch",
    "assemble",
    "linear_model",
    "model_for",
    "two_layer_model",
]
