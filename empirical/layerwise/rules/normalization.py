r"""Normalisations with a scale and a shift: h = scale * z + shift.

z is the normalised input: over features (LayerNorm), over groups of channels (GroupNorm), or
with fixed statistics (BatchNorm in eval mode). df/dscale = sum df/dh z and
df/dshift = sum df/dh over all that they are broadcast to. The mean and 1/std that the forward
pass has computed are kept by the operation.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Call, Rule, dense
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _affine(
    call: Call, signal: Tensor, samples: Samples, z: Callable[[], Tensor], channels: bool
) -> Gradient | None:
    """The share of the scale (argument 1) or the shift; ``channels``: they belong to axis 1."""
    values = signal * z() if call.argument == 1 else signal
    shape = (call.shape.numel(), *(1,) * (signal.ndim - 2)) if channels else call.shape
    return dense(call, values, samples, shape)


def _layer_norm(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    def z() -> Tensor:
        return (call.saved("input") - call.saved("result1")) * call.saved("result2")

    return _affine(call, signal, samples, z, channels=False)


def _group_norm(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    def z() -> Tensor:
        split = call.saved("input").reshape(*call.saved("result1").shape, -1)
        centred = split - call.saved("result1")[..., None]
        return (centred * call.saved("result2")[..., None]).reshape(signal.shape)

    return _affine(call, signal, samples, z, channels=True)


def _batch_norm(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    if call.saved("training"):
        return None

    def z() -> Tensor:
        shape = (-1, *(1,) * (signal.ndim - 2))
        mean, variance = call.saved("running_mean"), call.saved("running_var")
        slope = torch.rsqrt(variance + call.saved("eps"))
        return (call.saved("input") - mean.reshape(shape)) * slope.reshape(shape)

    return _affine(call, signal, samples, z, channels=True)


RULES: dict[str, Rule] = {
    "NativeBatchNormBackward0": _batch_norm,
    "NativeGroupNormBackward0": _group_norm,
    "NativeLayerNormBackward0": _layer_norm,
}
