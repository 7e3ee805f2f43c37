"""Dropout of a finite network: the masks of rows, by counter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from analytic.network import Dropout, Gains
from empirical.network.layer_modules import PointwiseLayer
from empirical.network.normalization import GainLayer, NormalizedLayer
from empirical.network.weights import normal_rows
from empirical.network.wires import Wire

__all__ = ["DropoutLayer", "pointwise_layer"]


class DropoutLayer(PointwiseLayer):
    """alpha -> xi alpha in training mode, the identity in evaluation mode.

    A row of a batch has a mask that its number, the layer and the seed decide.

    Args:
        wire: the layer.
        index: of the layer in the network.
        seeds: of the networks that are computed together.
    """

    def __init__(self, wire: Wire, index: int, seeds: Sequence[int]) -> None:
        super().__init__(wire)
        layer = wire.step.layer
        assert isinstance(layer, Dropout)
        self.dropout, self.index, self.seeds = layer.rate, index, tuple(seeds)

    def mask(self, rows: Sequence[range], like: Tensor) -> Tensor | None:
        """xi, shape (n positions, units), with an axis of seeds before if there are several."""
        if not self.training or self.dropout == 0:
            return None
        bound = torch.special.ndtri(torch.tensor(1 - self.dropout, dtype=torch.float64))
        columns, layer = self.wire.positions * self.wire.units, 2 * self.index
        drawn = torch.stack([
            torch.cat([
                normal_rows(slice(part.start, part.stop), columns, seed=seed, layer=layer)
                for part in rows
            ])
            for seed in self.seeds
        ])  # fmt: skip
        kept = (drawn < bound).to(like) / (1 - self.dropout)
        kept = kept.reshape(len(self.seeds), -1, self.wire.units)
        return kept if len(self.seeds) > 1 else kept[0]

    def forward(self, alpha: Tensor) -> Tensor:
        mask = self.mask([range(len(alpha))], alpha)
        if mask is None:
            return alpha
        mask = mask.reshape(len(alpha), *self.wire.spatial, self.wire.units).movedim(-1, 1)
        return alpha * mask


def pointwise_layer(wire: Wire, index: int, seeds: Sequence[int]) -> PointwiseLayer:
    """The module of a layer without weights, of networks with some seeds."""
    if isinstance(wire.step.layer, Dropout):
        return DropoutLayer(wire, index, seeds)
    if isinstance(wire.step.layer, Gains):
        return GainLayer(wire)
    return (NormalizedLayer if wire.step.normalizes else PointwiseLayer)(wire)
