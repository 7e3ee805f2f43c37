r"""The layer identity, for the networks that a description stands for.

For a weight layer with inputs A (n, m_in) and backward signals B = df/dh (n, m_out), the
gradient of sample a is the outer product B_a A_a^T, so that the layer's share of K_0 is

    scale^2 (A A^T) o (B B^T)  +  bias_std^2 B B^T,

two matrix products and an entrywise one: no object of the size n x parameters is formed. The
layers are asked for W a and for W^T b only, so that they may hold W, draw it again, or hold
the weights of many networks: all tensors may have leading axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from analytic.network import Step

__all__ = ["LayerMap", "backward_signals", "forward_trace", "layerwise_kernel"]


class LayerMap(Protocol):
    """A weight layer, seen as a linear map with an activation behind it."""

    @property
    def step(self) -> Step: ...
    @property
    def scale(self) -> float: ...
    @property
    def bias_std(self) -> float: ...
    @property
    def activation(self) -> Callable[[Tensor], Tensor]: ...
    @property
    def slope(self) -> Callable[[Tensor], Tensor]: ...
    def preactivation(self, alpha: Tensor) -> Tensor: ...
    def pullback(self, signal: Tensor) -> Tensor: ...


def layerwise_kernel(
    layers: Iterable[LayerMap], readout: Tensor, scale: float, x: Tensor, y: Tensor | None
) -> Tensor:
    """K_0, shape (..., n, k).

    Args:
        layers: from the input to the readout.
        readout: its weights v, shape (..., m).
        scale: its factor 1/sqrt(m).
        x: inputs, shape (n, d).
        y: other inputs, shape (k, d); x itself if None.
    """
    layers, n = list(layers), len(x)
    trace, features = forward_trace(layers, x if y is None else torch.cat([x, y]))
    columns = 0 if y is None else n

    def gram(features: Tensor) -> Tensor:
        return features[..., :n, :] @ features[..., columns:, :].mT

    kernel = gram(features) * scale**2
    for layer, alpha, signal in backward_signals(layers, trace, readout * scale):
        inputs = gram(alpha) * layer.scale**2
        if layer.bias_std > 0:
            inputs += layer.bias_std**2
        kernel += gram(signal).mul_(inputs)
    return kernel


def forward_trace(
    layers: Sequence[LayerMap], x: Tensor
) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """(alpha, h) of every layer, and the features of the readout."""
    alpha = x
    trace: list[tuple[Tensor, Tensor]] = []
    branches: list[Tensor] = []
    for layer in layers:
        branches += [alpha] * layer.step.opens
        h = layer.preactivation(alpha)
        trace.append((alpha, h))
        alpha = layer.activation(h)
        if layer.step.closes:
            alpha = branches.pop() + alpha
    return trace, alpha


def backward_signals(
    layers: Sequence[LayerMap], trace: list[tuple[Tensor, Tensor]], signal: Tensor
):
    """(layer, alpha, df/dh) from the last layer to the first; a skip adds the signal at its end.

    The trace is used up, so that memory is given back on the way.
    """
    signal = signal[..., None, :].expand_as(trace[-1][1])
    skips: list[Tensor] = []
    for index in range(len(layers) - 1, -1, -1):
        layer, (alpha, h) = layers[index], trace.pop()
        if layer.step.closes:
            skips.append(signal)
        at_h = signal * layer.slope(h)
        del h
        yield layer, alpha, at_h
        if index > 0:
            signal = layer.pullback(at_h)
            for _ in range(layer.step.opens):
                signal = signal + skips.pop()
