r"""Convolutions in one to three dimensions, with stride, padding, dilation and groups.

With the patches P_p a of the input that output position p sees, h_p = W P_p a + b, so that
df/dW = sum_p (df/dh_p) (P_p a)^T: a linear layer used at every position. A transposed convolution
has df/dW = sum_p a_p (P_p df/dh)^T. Where W is smaller than the patches and signals of one sample,
its gradients are formed at once, sample by sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Call, Rule, dense
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _convolution(call: Call, signal: Tensor, samples: Samples) -> Gradient | None:
    if samples.axis != 0:
        return None
    dimensions = signal.ndim - 2
    if call.argument == 2:
        return dense(call, signal, samples, (call.shape[0], *(1,) * dimensions))
    if call.argument != 1:
        return None
    stride, padding, dilation = (
        _each(call.saved(name), dimensions) for name in ("stride", "padding", "dilation")
    )
    left, read = signal, call.saved("input")
    if len(left) == samples.count and _is_shared_widely(call, left, read):
        return Gradient(call.shape, dense=_one_by_one(call, left, read))
    if call.saved("transposed"):  # W maps back: what was read is written, and the other way round
        left, read = read, left
    right = _patches(read, call.shape[2:], stride, padding, dilation)
    groups = call.saved("groups")
    left, right = (_positions(f, groups, samples) for f in (left.flatten(2), right))
    return Gradient(call.shape, left, right)


def _is_shared_widely(call: Call, signal: Tensor, read: Tensor) -> bool:
    """Whether the gradient is smaller than what it is a product of at all positions."""
    out, positions = (read if call.saved("transposed") else signal).shape[1:], 1
    for size in out[1:]:
        positions *= size
    rows = out[0] // call.saved("groups")
    columns = call.shape.numel() // out[0]
    return positions * (rows + columns) > rows * columns


def _one_by_one(call: Call, signal: Tensor, read: Tensor) -> Tensor:
    """The gradients (n, *shape) by torch, which makes no patches."""
    dimensions = signal.ndim - 2
    names = "stride", "padding", "dilation"
    stride, padding, dilation = (_each(call.saved(name), dimensions) for name in names)
    transposed, extra = call.saved("transposed"), _each(call.saved("output_padding"), dimensions)
    like = signal.new_empty(1).expand(call.shape)  # only the shape of the weights matters
    wanted = [False, True, False]

    def gradient(h: Tensor, a: Tensor) -> Tensor:
        return torch.ops.aten.convolution_backward(
            h[None], a[None], like, None, stride, padding, dilation, transposed, extra,
            call.saved("groups"), wanted,
        )[1]  # fmt: skip

    return torch.stack([gradient(h, a) for h, a in zip(signal, read, strict=True)])


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
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """What each output position sees: (batch, channels * kernel, positions)."""
    spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    sides = [(p, p) for p in padding]
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


RULES: dict[str, Rule] = {"ConvolutionBackward0": _convolution}
