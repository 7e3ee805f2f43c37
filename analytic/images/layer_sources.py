"""The positions of an image that the layers read, one by one."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np

from analytic.images.axes import AXES, readings, three
from analytic.images.shifts import Index
from analytic.network import (
    Convolution,
    Layer,
    Network,
    Shape,
    Step,
    fold,
    itself,
    shape_after,
)

__all__ = ["sources"]


def sources(network: Network, spatial: Shape) -> tuple[Index, ...]:
    """The positions that every weight layer reads, (filters, positions), -1 outside the image.

    Example:
        >>> from analytic.network.description import Convolution, Network
        >>> sources(Network(Convolution("relu", 2, padding="valid")), (4,))[0].tolist()
        [[0, 1, 2], [1, 2, 3]]
    """
    found: list[Index] = []

    def averaged(step: Step, shape: Shape) -> Shape:
        return reduce(lambda before, layer: shape_after(layer, before), step.averages, shape)

    def after(step: Step, shape: Shape) -> Shape:
        found.append(_sources(step.layer, shape, shape_after(step.layer, shape)))
        return shape_after(step.layer, shape)

    def added(_: Step, number: int, total: Shape, branch: Shape) -> Shape:
        return branch

    fold(network.steps, spatial, after, added, step=itself, averaged=averaged)
    return tuple(found)


def _sources(layer: Layer, shape: Shape, after: Shape) -> Index:
    if not isinstance(layer, Convolution):
        return np.arange(math.prod(shape))[None]
    sizes, ends = three(shape, len(shape)), three(after, len(shape))
    kernel = three(layer.kernel_size, len(shape))
    found = np.zeros((1, 1), dtype=np.int64)
    for axis in range(AXES):
        read = readings(layer, axis, shape, ends[axis], np.zeros(1, np.int64))
        along = np.full((kernel[axis], ends[axis]), -1)
        along[read.tap, read.target] = read.source
        before, more = found[:, None, :, None], along[None, :, None, :]
        both = np.where((before >= 0) & (more >= 0), before * sizes[axis] + more, -1)
        found = both.reshape(len(found) * kernel[axis], -1)
    return found
