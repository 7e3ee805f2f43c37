r"""Convolutions in one to three dimensions, with stride, padding, dilation and groups.

With the patches P_p a of the input that output position p sees, h_p = W P_p a + b, so that
df/dW = sum_p (df/dh_p) (P_p a)^T: a linear layer used at every position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Rule, Share, dense
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> list[tuple[Any, Share]]:
    dimensions = weight.ndim - 2

    def of_weight(signal: Tensor, samples: Samples) -> Gradient | None:
        if samples.axis != 0 or signal.ndim != weight.ndim:
            return None
        patches = _patches(
            input,
            weight.shape[2:],
            _each(stride, dimensions),
            padding,
            _each(dilation, dimensions),
        )
        left, right = (_positions(f, groups, samples) for f in (signal.flatten(2), patches))
        return Gradient(weight.shape, left, right)

    def of_bias(signal: Tensor, samples: Samples) -> Gradient | None:
        assert bias is not None
        return dense(bias, signal, samples, (len(bias), *(1,) * dimensions))

    return [(weight, of_weight), (bias, of_bias)]


def _positions(features: Tensor, groups: int, samples: Samples) -> Tensor:
    """(batch, groups f, p) -> (n, groups, positions, f), without a copy where it can be."""
    batch, channels, p = features.shape
    if batch == samples.count:
        return features.reshape(batch, groups, channels // groups, p).mT
    split = samples.split(features).reshape(samples.count, -1, groups, channels // groups, p)
    return split.permute(0, 2, 1, 4, 3).flatten(2, 3)


def _patches(
    input: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Any,
    dilation: Sequence[int],
) -> Tensor:
    """What each output position sees: (batch, channels * kernel, positions)."""
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if padding == "same":
        sides = [(span // 2, span - span // 2) for span in spans]
    else:
        pads = [0] * len(kernel) if padding == "valid" else _each(padding, len(kernel))
        sides = [(p, p) for p in pads]
    seen = input
    if any(side != (0, 0) for side in sides):
        seen = functional.pad(input, [side for pair in reversed(sides) for side in pair])
    for axis, (span, s, d) in enumerate(zip(spans, stride, dilation, strict=True)):
        seen = seen.unfold(axis + 2, span + 1, s)[..., ::d]  # a view with the kernel's axis last
    count = len(kernel)
    order = (0, 1, *range(2 + count, 2 + 2 * count), *range(2, 2 + count))
    return seen.permute(order).flatten(1, 1 + count).flatten(2)


def _each(value: Any, dimensions: int) -> list[int]:
    """One number for each dimension, as torch reads it."""
    values = [value] if isinstance(value, int) else list(value)
    return values * dimensions if len(values) == 1 else values


RULES: dict[Any, Rule] = {
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
    functional.conv1d: _convolution,
    functional.conv2d: _convolution,
    functional.conv3d: _convolution,
}
