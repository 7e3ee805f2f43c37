"""What a network of images reads where its positions are taken one by one."""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from analytic.images.axes import pooled, three
from analytic.images.layer_sources import sources
from analytic.images.shifts import Index
from analytic.network import (
    Averaging,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Network,
    Nonlinearity,
    Pooling,
    Shape,
    Step,
    fold,
    itself,
    shape_after,
)

__all__ = ["Reading", "Window", "is_plain", "network_readings", "pairs_of_positions", "reads_all"]


class Window(NamedTuple):
    """An average: positions (places, P') of every window.

    It ``mixes`` pairs of different places, or makes one vector of all positions.
    """

    source: Index
    mixes: bool


class Reading(NamedTuple):
    """What a layer reads behind the averages before it: positions (filters, P'), -1 outside."""

    averages: tuple[Window, ...]
    source: Index


def network_readings(
    network: Network, spatial: Shape
) -> tuple[tuple[Reading, ...], tuple[Window, ...]]:
    """Those of every layer, and the averages before the readout."""
    before: list[tuple[Window, ...]] = []

    def averaged(step: Step, shape: Shape) -> Shape:
        before.append(_windows(step.averages, shape))
        return reduce(lambda shape, layer: shape_after(layer, shape), step.averages, shape)

    def after(step: Step, shape: Shape) -> Shape:
        return shape_after(step.layer, shape)

    def added(_: Step, __: int, ___: Shape, branch: Shape) -> Shape:
        return branch

    last = fold(network.steps, spatial, after, added, step=itself, averaged=averaged)
    found = map(Reading, before, sources(network, spatial))
    return tuple(found), _windows(network.readout, last)


def _windows(averages: tuple[Averaging, ...], shape: Shape) -> tuple[Window, ...]:
    shapes = [shape]
    for layer in averages:
        shapes.append(shape_after(layer, shapes[-1]))
    pairs = zip(averages, pairwise(shapes), strict=True)
    return tuple(_window(layer, *ends) for layer, ends in pairs)


def _window(layer: Averaging, shape: Shape, after: Shape) -> Window:
    """The positions that every window has.

    Example:
        >>> from analytic.network import AveragePooling
        >>> _window(AveragePooling(2, stride=1), (3,), (2,)).source.tolist()
        [[0, 1], [1, 2]]
    """
    if not isinstance(layer, Pooling):
        every = np.arange(math.prod(shape))[:, None]
        return Window(every, not isinstance(layer, Flatten))
    sizes, ends = three(shape, len(shape)), three(after, len(shape))
    found = np.zeros((1, 1), dtype=np.int64)
    for positions, count, (size, stride) in zip(
        sizes, ends, pooled(layer, len(shape)), strict=True
    ):
        along = np.arange(size)[:, None] + stride * np.arange(count)
        both = found[:, None, :, None] * positions + along[None, :, None, :]
        found = both.reshape(len(found) * size, -1)
    return Window(found, True)


def reads_all(network: Network) -> bool:
    """Whether all pairs of positions are wanted somewhere."""
    averages = [*network.readout, *(part for step in network.steps for part in step.averages)]
    return not all(isinstance(layer, Flatten) for layer in averages)


def pairs_of_positions(network: Network, spatial: Shape) -> float:
    """Of a pair of images, over all layers."""
    network = network.summed(len(spatial))
    found, _ = network_readings(network, spatial)
    places = [math.prod(spatial), *(reading.source.shape[1] for reading in found)]
    return float(sum(p**2 if reads_all(network) else p for p in places))


PLAIN = Convolution, FullyConnected, Nonlinearity


def is_plain(network: Network) -> bool:
    """Whether there are no branches, no noise, and averages before the readout or of one vector."""
    kinds = Flatten, GlobalAveragePooling
    return all(map(_is_plain, network.steps)) and all(
        isinstance(part, kinds) for part in network.readout
    )


def _is_plain(step: Step) -> bool:
    branches = step.opens or step.closes or step.switches
    flat = all(isinstance(part, Flatten) for part in step.averages)
    return flat and not branches and isinstance(step.layer, PLAIN)
