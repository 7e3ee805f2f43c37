"""What layers read along the axes of a plane of positions.

The positions of an image of one dimension are a plane of height 1.
"""

from __future__ import annotations

from analytic.images.shifts import Index, Readings, filter_readings, pool_readings
from analytic.network import Convolution, Layer, Pooling, Shape, Sizes

__all__ = ["both_sizes", "plane", "pooled", "readings"]


def plane(sizes: Shape, dimensions: int) -> tuple[int, int]:
    """Two sizes from those of so many dimensions."""
    height, width = (1,) * (2 - dimensions) + sizes
    return height, width


def both_sizes(sizes: Sizes, dimensions: int) -> tuple[int, int]:
    """An option for both dimensions."""
    return plane((sizes,) * dimensions if isinstance(sizes, int) else sizes, dimensions)


def pooled(layer: Pooling, dimensions: int) -> tuple[tuple[int, int], ...]:
    """Size and stride of the windows of a pooling, for each axis."""
    sizes, steps = (both_sizes(option, dimensions) for option in (layer.size, layer.step))
    return tuple(zip(sizes, steps, strict=True))


def readings(
    layer: Layer, axis: int, dimensions: int, size: int, ends: int, shifts: Index
) -> Readings:
    """What a convolution or a pooling reads along one of two axes."""
    if isinstance(layer, Pooling):
        return pool_readings(shifts, size, ends, *pooled(layer, dimensions)[axis])
    assert isinstance(layer, Convolution)
    options = layer.kernel_size, layer.stride, layer.dilation
    kernel, stride, apart = (both_sizes(option, dimensions)[axis] for option in options)
    back = apart * ((kernel - 1) // 2) if layer.padding == "same" else 0
    wraps = layer.padding_mode == "circular"
    return filter_readings(shifts, size, ends, kernel, stride, back, wraps, apart)
