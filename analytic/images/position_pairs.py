r"""Which pairs of positions a kernel needs, and how they are reached.

A flattening layer reads (p, p) only, a pooling window all pairs in it, a convolution the
pairs (p + k, q + k) with the same k: followed from the readout back to the input, the
needed pairs are the diagonal for flattened networks, bands for pooling windows, everything
for global pooling (docs/theory/convolution.md).

Legend: P positions; a set of pairs is an array of codes p P + q, increasing; a pair is
known by its place in this array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytic.network import (
    AveragePooling,
    Averaging,
    FullyConnected,
    GlobalAveragePooling,
    Layer,
    Network,
    Shape,
    reads,
    shape_after,
    shapes_after,
)

__all__ = ["Layout", "Pairs", "Part", "Reading", "layout"]

Index = NDArray[np.int64]
Places = NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A set of pairs of positions.

    Attributes:
        positions: their number P.
        codes: p P + q of every pair, increasing.
    """

    positions: int
    codes: Index

    def __len__(self) -> int:
        return self.codes.size

    @property
    def own(self) -> Index:
        """The places of the pairs (p, p), shape (P,)."""
        return self.places(np.arange(self.positions) * (self.positions + 1))

    @property
    def mirror(self) -> Index:
        """The places of the pairs (q, p)."""
        p, q = np.divmod(self.codes, self.positions)
        return self.places(q * self.positions + p)

    @property
    def is_diagonal(self) -> bool:
        """Whether these are the pairs (p, p) only."""
        return len(self) == self.positions

    def places(self, codes: Index) -> Index:
        """Where some codes stand; all of them must be there."""
        return np.searchsorted(self.codes, codes)

    def joined(self, codes: Index) -> Pairs:
        """The set with more pairs, and the diagonal."""
        diagonal = np.arange(self.positions) * (self.positions + 1)
        return Pairs(self.positions, np.unique(np.concatenate([self.codes, codes, diagonal])))


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How the pairs after a layer read those before it.

    Attributes:
        before: the pairs before it.
        after: the pairs after it.
        sources: places before that each pair after reads, (pairs after, reads); -1 reads 0.
        reads: what each position reads, (positions after, reads).
    """

    before: Pairs
    after: Pairs
    sources: Places
    reads: Index

    @property
    def count(self) -> int:
        """How many positions are read."""
        return self.reads.shape[1]

    @property
    def mixes(self) -> bool:
        """Whether a pair reads other combinations of positions than equal readings."""
        return self.sources.shape[1] > self.count


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The readings of one step: its averages, its weight layer, and the skip that ends.

    ``skip`` holds the places, where the branch began, of the pairs after the layer.
    """

    averages: tuple[Reading, ...]
    layer: Reading
    skip: Index | None


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The pairs of a network on images of one shape.

    Attributes:
        input: the pairs of the input.
        parts: one for every step of the network.
        readout: the averages before the readout.
    """

    input: Pairs
    parts: tuple[Part, ...]
    readout: tuple[Reading, ...]

    @property
    def most(self) -> int:
        """The largest number of pairs between two layers."""
        return max(len(self.input), *(len(part.layer.after) for part in self.parts))


def layout(network: Network, spatial: Shape) -> Layout:
    """Follow the needed pairs from the readout back to the input.

    Args:
        network: the description.
        spatial: shape of the images, () for vectors.

    Example:
        >>> from analytic.network.description import AveragePooling, Convolution, Network
        >>> flat = layout(Network(Convolution("tanh", 3)), (8, 8))
        >>> pooled = layout(Network(Convolution("tanh", 3), AveragePooling(2)), (8, 8))
        >>> len(flat.input), len(pooled.parts[0].layer.after), len(pooled.input)
        (64, 256, 484)
    """
    steps = network.steps
    spans = _shapes(network, spatial)
    needed = [_chain(network.readout, spans[-1], Pairs(1, np.zeros(1, dtype=np.int64)))]
    ends: list[Pairs] = []
    for step, span in zip(reversed(steps), reversed(spans[:-1]), strict=True):
        after = needed[0][0]
        ends += [after] * step.closes
        before = _needed(step.layer, span[-1], after)
        for _ in range(step.opens):
            before = before.joined(ends.pop().codes)
        needed.insert(0, _chain(step.averages, span, before))
    parts: list[Part] = []
    starts: list[Pairs] = []
    for number, (step, span) in enumerate(zip(steps, spans[:-1], strict=True)):
        before, after = needed[number][-1], needed[number + 1][0]
        starts += [before] * step.opens
        skip = starts.pop().places(after.codes) if step.closes else None
        averages = _readings(step.averages, span, needed[number])
        parts.append(Part(averages, _reading(step.layer, span[-1], before, after), skip))
    return Layout(needed[0][0], tuple(parts), _readings(network.readout, spans[-1], needed[-1]))


def _shapes(network: Network, spatial: Shape) -> list[tuple[Shape, ...]]:
    """The shapes before each average and the layer of every step, and of the readout."""
    found: list[tuple[Shape, ...]] = []
    for step in network.steps:
        found.append(shapes_after(step.averages, spatial))
        spatial = shape_after(step.layer, found[-1][-1])
    return [*found, shapes_after(network.readout, spatial)]


def _chain(layers: tuple[Averaging, ...], shapes: tuple[Shape, ...], last: Pairs) -> list[Pairs]:
    """The pairs before each of some averages, and the last ones."""
    found = [last]
    for layer, shape in zip(reversed(layers), reversed(shapes[: len(layers)]), strict=True):
        found.insert(0, _needed(layer, shape, found[0]))
    return found


def _readings(
    layers: tuple[Averaging, ...], shapes: tuple[Shape, ...], pairs: list[Pairs]
) -> tuple[Reading, ...]:
    return tuple(
        _reading(layer, shapes[at], pairs[at], pairs[at + 1]) for at, layer in enumerate(layers)
    )


def _needed(layer: Layer, spatial: Shape, after: Pairs) -> Pairs:
    """The pairs before a layer that those after it read, and the diagonal."""
    positions = math.prod(spatial)
    codes = _codes(layer, spatial, after)
    seen = np.zeros(positions**2, dtype=np.bool_)
    seen[codes[codes >= 0]] = True
    seen[:: positions + 1] = True
    return Pairs(positions, np.flatnonzero(seen))


def _reading(layer: Layer, spatial: Shape, before: Pairs, after: Pairs) -> Reading:
    codes = _codes(layer, spatial, after)
    sources = np.where(codes < 0, -1, before.places(codes)).astype(np.int32)
    return Reading(before, after, sources, _reads(layer, spatial))


def _codes(layer: Layer, spatial: Shape, after: Pairs) -> Index:
    """The codes of what every pair reads, (pairs after, reads), -1 in the padding."""
    p, q = (_reads(layer, spatial)[part] for part in np.divmod(after.codes, after.positions))
    if isinstance(layer, AveragePooling | GlobalAveragePooling):
        p, q = p[:, :, None], q[:, None, :]
    codes = np.where((p < 0) | (q < 0), -1, p * math.prod(spatial) + q)
    return codes.reshape(len(after), -1)


def _reads(layer: Layer, spatial: Shape) -> Index:
    return (
        np.zeros((1, 1), dtype=np.int64)
        if isinstance(layer, FullyConnected)
        else reads(layer, spatial)
    )
