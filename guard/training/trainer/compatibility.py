"""Refuse models under which the guarantee would not hold, by type and by trial.

Clipping one gradient at a time bounds one unit's influence only if no unit's output
depends on another's. Known offenders are refused with a remedy; whatever else mixes
units, or keeps what it saw, is found by changing one unit and looking at the others.
"""

from __future__ import annotations

import torch
from opacus.layers import DPMultiheadAttention
from opacus.validators import ModuleValidator
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from guard.errors import IncompatibleModel

__all__ = ["check_model"]

PROBES = 5
TOLERANCE = 1e-5


def check_model(model: nn.Module, example: Tensor) -> None:
    """Raise ``IncompatibleModel`` unless the model treats units one by one.

    ``example`` is one unit's features; only its shape and type count.
    """
    for name, layer in model.named_modules():
        remedy = _remedy(layer)
        if remedy:
            raise IncompatibleModel(f"{name or 'the model'} ({type(layer).__name__}): {remedy}")
    model.train()
    errors = ModuleValidator.validate(model, strict=False)
    if errors:
        raise IncompatibleModel(f"Opacus refuses the model: {errors[0]}")
    _check_by_trial(model, example)


def _remedy(layer: nn.Module) -> str | None:
    if isinstance(layer, _BatchNorm):
        return "it takes its statistics from the batch; use GroupNorm"
    if isinstance(layer, _InstanceNorm) and layer.track_running_stats:
        return "it keeps statistics of what it saw; set track_running_stats=False"
    if isinstance(layer, nn.MultiheadAttention | DPMultiheadAttention):
        return "build attention from Linear layers and scaled_dot_product_attention"
    if isinstance(layer, nn.RNNBase):
        return "its gradients cannot be told apart; use the DPLSTM, DPGRU or DPRNN of Opacus"
    return None


def _check_by_trial(model: nn.Module, example: Tensor) -> None:
    batch = _probes(example)
    changed = batch.clone()
    changed[0] = changed[0] * 100 + 7 if batch.is_floating_point() else 1 - changed[0]
    kept = [buffer.clone() for buffer in model.buffers()]
    whole = _outputs(model, batch)
    if len(whole) != PROBES:
        raise IncompatibleModel("the model's outputs are not one for each unit")
    others = _outputs(model, changed)[1:]
    if not torch.allclose(whole[1:], others, rtol=TOLERANCE, atol=TOLERANCE):
        raise IncompatibleModel(
            "a unit's output depends on other units of its batch; use layers that normalise "
            "and attend within one unit (GroupNorm, LayerNorm)"
        )
    if any(not torch.equal(old, new) for old, new in zip(kept, model.buffers(), strict=True)):
        raise IncompatibleModel("a layer keeps what it saw in a buffer; use one without running statistics")


def _probes(example: Tensor) -> Tensor:
    shape = (PROBES, *example.shape)
    generator = torch.Generator().manual_seed(1)
    if example.is_floating_point():
        return torch.randn(shape, generator=generator).to(example)
    return torch.randint(0, 2, shape, generator=generator).to(example)


def _outputs(model: nn.Module, batch: Tensor) -> Tensor:
    """Return outputs in training mode, with the same dropout every time."""
    with torch.random.fork_rng(devices=[batch.device] if batch.is_cuda else []), torch.no_grad():
        torch.manual_seed(1)
        outputs = model(batch)
    if not isinstance(outputs, Tensor):
        raise IncompatibleModel("the model returns something other than one tensor")
    return outputs
