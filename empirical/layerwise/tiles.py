r"""Tiles: the kernel of some samples with some others.

    K_0(a, b) = sum over parameters of <G_a, G_b>

with the per-sample gradients G as sums of outer products, see ``gradients``. The passes of a tile
are made for a few samples at a time, a block, because those of many read and write memory where
those of few stay in the cache; the products are made for all samples of the tile at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from empirical.layerwise.blocks import Block
from empirical.layerwise.gradients import Gradient, stacked
from empirical.layerwise.graph import Value
from empirical.layerwise.inner_products import inner, squares

__all__ = ["Blocks", "block_size", "contract", "diagonal"]

_Signals = Sequence[Mapping[Value, Tensor | None]]
"""df/dh at each cut, for each block."""

BLOCK_BYTES = 2**26
"""What a forward and a backward pass may keep: from 2^25 to 2^27 the passes were fastest."""
FEWEST = 4
"""Samples of a block, however large they are: fewer read the weights too often."""


def block_size(bytes_per_sample: int) -> int:
    """How many samples have one forward pass."""
    return max(FEWEST, BLOCK_BYTES // bytes_per_sample)


class Blocks:
    """Some samples, block after block.

    Attributes:
        blocks: with one scheme.
        values: the outputs of all, shape (n, k).
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks, self.scheme = list(blocks), blocks[0].scheme
        self.values = torch.cat([block.values.detach() for block in blocks])

    def signals(self, output: int) -> _Signals:
        """The derivatives of one output."""
        return [block.signals(output) for block in self.blocks]

    def gradients(self, group: Sequence[int], signals: _Signals) -> list[Gradient]:
        """Those with respect to parameters that are used together, of all samples."""
        pairs = zip(self.blocks, signals, strict=True)
        found = [block.gradients(group, own) for block, own in pairs]
        return _joined(found, [len(block.values) for block in self.blocks])


def _joined(found: Sequence[list[Gradient]], counts: Sequence[int]) -> list[Gradient]:
    """Gradients of some samples after those of others; what a signal never reached vanishes."""
    known = max(found, key=len)
    filled = [
        gradients or [g.zeros(count) for g in known]
        for gradients, count in zip(found, counts, strict=True)
    ]
    return [stacked(list(same)) for same in zip(*filled, strict=True)]


def diagonal(a: Blocks, output: int) -> Tensor:
    """|df/dtheta|^2 of every sample for one output, over the parameters with rules, shape (n,)."""
    signals = a.signals(output)
    total = a.values.new_zeros(len(a.values))
    with torch.no_grad():
        for group in a.scheme.groups:
            for gradient in a.gradients(group, signals):
                total += squares(gradient)
    return total


def contract(
    a: Blocks, b: Blocks, outs: Sequence[int], full: bool, row: int | None = None
) -> tuple[Tensor, float]:
    """The share of some parameters in the kernel of two tiles.

    Args:
        a: n samples.
        b: k samples, or the same tile.
        outs: the outputs.
        full: whether all pairs of outputs are wanted, or the sum over equal ones.
        row: a sample of a.

    Returns:
        shape (n, k), or (n, len(outs), k, len(outs)); and |df/dtheta|^2 for the sample ``row``,
        summed over the outputs.
    """
    n, m, norm = len(a.values), len(b.values), 0.0
    passes = [list(outs)] if full else [[output] for output in outs]
    count = len(passes[0])  # several outputs of n samples are treated as one of more samples
    kernel = a.values.new_zeros(n * count, m * count)
    for chosen in passes:
        of_a = [a.signals(output) for output in chosen]
        of_b = of_a if a is b else [b.signals(output) for output in chosen]
        for group in a.scheme.groups:
            left = _stack(a, group, of_a)
            right = left if a is b else _stack(b, group, of_b)
            for g, h in zip(left, right, strict=True):
                kernel += inner(g, h)
                for i in range(0 if row is None else row, 0 if row is None else n * count, n):
                    one = g.sample(i)
                    norm += float(inner(one, one))
    kernel = kernel.reshape(count, n, count, m).permute(1, 0, 3, 2) if full else kernel
    return kernel, norm


def _stack(tile: Blocks, group: Sequence[int], signals: Sequence[_Signals]) -> list[Gradient]:
    """Gradients of several outputs as gradients of more samples."""
    found = [tile.gradients(group, of_output) for of_output in signals]
    return _joined(found, [len(tile.values)] * len(found))
