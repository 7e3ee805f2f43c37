"""The positions of an image that the layers read, one by one."""

from __future__ import annotations

import math

import numpy as np

from analytic.images.axes import both_sizes, plane, readings
from analytic.images.shifts import Index
from analytic.network import Convolution, Layer, Network, Shape, shape_after

__all__ = ["sources"]


def sources(network: Network, spatial: Shape) -> tuple[Index, ...]:
    """The positions that every weight layer reads, (filters, positions), -1 outside the image.

    Example:
        >>> from analytic.network.description import Convolution, Network
        >>> sources(Network(Convolution("relu", 2, padding="valid")), (4,))[0].tolist()
        [[0, 1, 2], [1, 2, 3]]
    """
    found: list[Index] = []
    shape = spatial
    for step in network.steps:
        for layer in step.averages:
            shape = shape_after(layer, shape)
        after = shape_after(step.layer, shape)
        found.append(_sources(step.layer, shape, after))
        shape = after
    return tuple(found)


def _sources(layer: Layer, shape: Shape, after: Shape) -> Index:
    if not isinstance(layer, Convolution):
        return np.arange(math.prod(shape))[None]
    sizes, ends = plane(shape, len(shape)), plane(after, len(shape))
    axes: list[Index] = []
    for axis in (0, 1):
        read = readings(layer, axis, len(shape), sizes[axis], ends[axis], np.zeros(1, np.int64))
        kernel = both_sizes(layer.kernel_size, len(shape))[axis]
        axes.append(np.full((kernel, ends[axis]), -1))
        axes[axis][read.tap, read.target] = read.source
    rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
    inside = (rows >= 0) & (columns >= 0)
    return np.where(inside, rows * sizes[1] + columns, -1).reshape(-1, math.prod(ends))
