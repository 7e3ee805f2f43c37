"""The positions of an image that the layers read, one by one."""

from __future__ import annotations

import math

import numpy as np

from analytic.images.axes import AXES, readings, three
from analytic.images.shifts import Index
from analytic.network import Convolution, Layer, Network, Shape, moves, shape_after

__all__ = ["sources"]


def sources(network: Network, spatial: Shape) -> tuple[Index, ...]:
    """The positions that every weight layer reads, (filters, positions), -1 outside the image.

    Example:
        >>> from analytic.network.description import Convolution, Network
        >>> sources(Network(Convolution("relu", 2, padding="valid")), (4,))[0].tolist()
        [[0, 1, 2], [1, 2, 3]]
    """
    found: list[Index] = []
    shape = began = spatial
    for step in network.steps:
        for layer in step.averages:
            shape = shape_after(layer, shape)
        if moves(step.layer):
            shape = began = began if step.switches else shape
        after = shape_after(step.layer, shape)
        found.append(_sources(step.layer, shape, after))
        shape = after
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
