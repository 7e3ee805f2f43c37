r"""Products with a weight: h = W a + b at every position t.

df/dW = sum_t (df/dh_t) a_t^T and df/db = sum_t df/dh_t.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from empirical.layerwise.gradients import Gradient
from empirical.layerwise.rules.call import Rule, Share
from empirical.layerwise.samples import Samples

__all__ = ["RULES"]


def _linear(
    input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> list[tuple[Any, Share]] | None:
    def of_weight(signal: Tensor, samples: Samples) -> Gradient:
        left, right = samples.rows(signal), samples.rows(input)
        return Gradient(weight.shape, left[:, None], right[:, None])

    def of_bias(signal: Tensor, samples: Samples) -> Gradient:
        assert bias is not None
        left = samples.rows(signal)[:, None]
        if left.shape[2] > 1:
            return Gradient(bias.shape, dense=left.sum((1, 2)))
        return Gradient(bias.shape, left, left[..., :0], ones=True)

    return [(weight, of_weight), (bias, of_bias)] if weight.ndim == 2 else None


def _matmul(input: Tensor, other: Tensor) -> list[tuple[Any, Share]] | None:
    """H = input @ other, where either may be the parameter."""

    def of_right(signal: Tensor, samples: Samples) -> Gradient:
        signal = signal[..., None] if other.ndim == 1 else signal
        left, right = samples.rows(input), samples.rows(signal)
        return Gradient(other.shape, left[:, None], right[:, None])

    def of_left(signal: Tensor, samples: Samples) -> Gradient:
        last = signal.ndim - 1
        axis = {last: last - 1, last - 1: last}.get(samples.axis, samples.axis)
        turned = Samples(axis, samples.count, samples.first)
        left, right = turned.rows(signal.mT), turned.rows(other.mT)
        return Gradient(input.shape, left[:, None], right[:, None])

    shares: list[tuple[Any, Share]] = []
    if input.ndim >= 2 and other.ndim <= 2:
        shares.append((other, of_right))
    if input.ndim == 2 and other.ndim >= 2:
        shares.append((input, of_left))
    return shares


RULES: dict[Any, Rule] = {
    functional.linear: _linear,
    torch.matmul: _matmul,
    torch.mm: _matmul,
    Tensor.matmul: _matmul,
    Tensor.__matmul__: _matmul,
    Tensor.mm: _matmul,
}
