r"""Positions of images as rows of a matrix, and the layers without weights on them.

The units of n samples are rows (..., n P, m): the P positions of the first sample, those of
the second, and so on; a vector has one position. A convolution is then a fully connected
layer on rows of K m numbers, the K positions that an output reads side by side. ``read`` is
what a layer does to the units, ``spread`` the transposed map, for the signals.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from analytic.network import Averaging, Flatten, Shape, reads
from empirical.network import Feed, Wire

__all__ = ["Patches", "WeightlessLayer", "averages", "patches", "rows"]


class WeightlessLayer(Protocol):
    """A layer without weights."""

    def read(self, units: Tensor) -> Tensor: ...
    def spread(self, signal: Tensor) -> Tensor: ...


class Patches:
    """(..., n P, m) -> (..., n Q, K m): the units at the positions that an output reads.

    Args:
        table: positions, shape (Q, K); -1 for the zeros of the padding.
        positions: P.
    """

    def __init__(self, table: Tensor, positions: int) -> None:
        self.table, self.positions = table, positions
        self.padded = bool((table < 0).any())
        self.pairs = [_inside(column) for column in table.T]  # (outputs, positions) for each k

    def read(self, units: Tensor) -> Tensor:
        images = units.unflatten(-2, (-1, self.positions))
        if self.padded:
            images = functional.pad(images, (0, 0, 0, 1))  # -1 is the last position
        seen = images.index_select(-2, self.table.flatten() % images.shape[-2])
        return seen.unflatten(-2, self.table.shape).flatten(-2).flatten(-3, -2)

    def spread(self, signal: Tensor) -> Tensor:
        outputs, k = self.table.shape
        parts = signal.unflatten(-2, (-1, outputs)).unflatten(-1, (k, -1))
        total = signal.new_zeros(*parts.shape[:-3], self.positions, parts.shape[-1])
        for index, (out, read) in enumerate(self.pairs):
            total.index_add_(-2, read, parts[..., index, :].index_select(-2, out))
        return total.flatten(-3, -2)


class _Mean:
    """(..., n P, m) -> (..., n Q, m): the mean over the positions that an output reads."""

    def __init__(self, patches: Patches) -> None:
        self.patches, self.size = patches, patches.table.shape[1]

    def read(self, units: Tensor) -> Tensor:
        return self.patches.read(units).unflatten(-1, (self.size, -1)).mean(-2)

    def spread(self, signal: Tensor) -> Tensor:
        share = (signal / self.size)[..., None, :]
        return self.patches.spread(share.expand(*share.shape[:-2], self.size, -1).flatten(-2))


class _Flat:
    """(..., n P, m) -> (..., n, m P), the positions of a channel side by side."""

    def __init__(self, positions: int) -> None:
        self.positions = positions

    def read(self, units: Tensor) -> Tensor:
        return units.unflatten(-2, (-1, self.positions)).mT.flatten(-2)

    def spread(self, signal: Tensor) -> Tensor:
        return signal.unflatten(-1, (-1, self.positions)).mT.flatten(-3, -2)


def rows(x: Tensor) -> Tensor:
    """Inputs (n, d) or (n, channels, *spatial) as rows, (n P, channels)."""
    return x if x.ndim == 2 else x.flatten(2).mT.flatten(0, 1)


def patches(wire: Wire, device: torch.device) -> Patches | None:
    """What a convolution reads, or None if the layer is fully connected."""
    if not wire.kernel:
        return None
    table = torch.from_numpy(reads(wire.step.layer, wire.feed.spatial))
    return Patches(table.to(device), wire.feed.positions)


def averages(feed: Feed, device: torch.device) -> list[WeightlessLayer]:
    """The layers without weights in front."""
    return [_average(layer, spatial, device) for layer, spatial in feed.averages]


def _average(layer: Averaging, spatial: Shape, device: torch.device) -> WeightlessLayer:
    if isinstance(layer, Flatten):
        return _Flat(math.prod(spatial))
    table = torch.from_numpy(reads(layer, spatial)).to(device)
    return _Mean(Patches(table, math.prod(spatial)))


def _inside(column: Tensor) -> tuple[Tensor, Tensor]:
    outputs = (column >= 0).nonzero()[:, 0]
    return outputs, column[outputs]
