"""Layer normalisation of a finite network: over the units, at every position; gains behind it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from analytic.network import Gains, LayerNorm
from empirical.network.layer_modules import PointwiseLayer
from empirical.network.wires import Wire

__all__ = ["GainLayer", "NormalizedLayer"]


class NormalizedLayer(PointwiseLayer):
    """alpha -> (alpha - mean)/sqrt(variance + eps) over the m units, without parameters.

    Over the positions too if the description says so; those of a sample are rows one after another.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        assert isinstance(wire.step.layer, LayerNorm)
        self.eps = wire.step.layer.eps
        self.together = wire.positions if wire.step.layer.positions else 1

    def activation(self, h: Tensor) -> Tensor:
        """Of units on the last axis."""
        return self._parts(h)[0]

    def pulled_back(self, signal: Tensor, h: Tensor) -> Tensor:
        """df/dh from df/dz, z = (h - mean)/std: the parts along 1 and along z are lost."""
        z, std = self._parts(h)
        return (signal - self._mean(signal) - z * self._mean(signal * z)) / std

    def forward(self, alpha: Tensor) -> Tensor:
        units = alpha.movedim(1, -1)
        return self.activation(units.flatten(0, -2)).reshape(units.shape).movedim(-1, 1)

    def _mean(self, h: Tensor) -> Tensor:
        """That of the units of a sample, in each of its rows."""
        mean = h.mean(-1, keepdim=True)
        if self.together == 1:
            return mean
        whole = mean.unflatten(-2, (-1, self.together)).mean(-2, keepdim=True)
        return whole.expand(*whole.shape[:-2], self.together, 1).flatten(-3, -2)

    def _parts(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """The normalised units, and what they were divided by."""
        from_mean = h - self._mean(h)
        std = torch.sqrt(self._mean(from_mean.square()) + self.eps)
        return from_mean / std, std


class GainLayer(PointwiseLayer):
    """alpha_i -> g_i alpha_i + b_i, with gains (``weight``) that start at 1 and shifts at 0."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        layer = wire.step.layer
        assert isinstance(layer, Gains)
        self.weight = nn.Parameter(torch.full((wire.units,), layer.start, dtype=torch.float64))
        none = wire.learned[1] == 0
        self.bias = None if none else nn.Parameter(torch.zeros_like(self.weight))
        self.bias_std = 1.0

    def preactivation(self, alpha: Tensor) -> Tensor:
        """Of units on the last axis."""
        h = alpha * self.weight
        return h if self.bias is None else h + self.bias

    def pullback(self, signal: Tensor) -> Tensor:
        return signal * self.weight

    def forward(self, alpha: Tensor) -> Tensor:
        return self.preactivation(alpha.movedim(1, -1)).movedim(-1, 1)
