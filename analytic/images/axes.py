"""What layers read along the axes of images of one, two or three dimensions.

The positions of an image stand in lines, and the lines in planes: an image of two dimensions is
one plane, one of a single dimension one line. Of three dimensions the lines of all planes are
numbered one after the other.
"""

from __future__ import annotations

from analytic.images.shifts import Index, Readings, filter_readings, pool_readings
from analytic.network import Convolution, Layer, Pooling, Shape, Sizes

__all__ = ["AXES", "Triple", "lines_of_planes", "pooled", "readings", "three"]

AXES = 3
Triple = tuple[int, int, int]
"""A number for planes, lines and columns."""


def three(sizes: Sizes, dimensions: int) -> Triple:
    """An option, or a shape, for planes, lines and columns."""
    each = (sizes,) * dimensions if isinstance(sizes, int) else sizes
    planes, lines, columns = (1,) * (AXES - dimensions) + each
    return planes, lines, columns


def pooled(layer: Pooling, dimensions: int) -> tuple[tuple[int, int], ...]:
    """Size and stride of the windows of a pooling, for each axis."""
    sizes, steps = (three(option, dimensions) for option in (layer.size, layer.step))
    return tuple(zip(sizes, steps, strict=True))


def readings(layer: Layer, axis: int, shape: Shape, ends: int, shifts: Index) -> Readings:
    """What a convolution or a pooling reads along an axis.

    Args:
        layer: the layer.
        axis: 0 for planes, 1 for lines, 2 for columns.
        shape: of the images before it.
        ends: positions of the axis after it.
        shifts: along the axis, after it.
    """
    dimensions = len(shape)
    size = three(shape, dimensions)[axis]
    if isinstance(layer, Pooling):
        return pool_readings(shifts, size, ends, *pooled(layer, dimensions)[axis])
    assert isinstance(layer, Convolution)
    options = layer.kernel_size, layer.stride, layer.dilation
    kernel, stride, apart = (three(option, dimensions)[axis] for option in options)
    back = apart * ((kernel - 1) // 2) if layer.padding == "same" else 0
    wraps = layer.padding_mode == "circular"
    return filter_readings(shifts, size, ends, kernel, stride, back, wraps, apart)


def lines_of_planes(planes: Readings, lines: Readings, before: int, after: int) -> Readings:
    """What is read of the lines of all planes.

    Args:
        planes: what is read along the planes.
        lines: what is read along the lines of a plane.
        before: lines of a plane before the layer.
        after: lines of a plane after it.
    """
    taps = int(lines.tap.max(initial=0)) + 1
    sizes = after, after, taps, before, before
    parts = zip(planes[:5], lines[:5], sizes, strict=True)
    both = ((one[:, None] * size + other).ravel() for one, other, size in parts)
    shift, target, tap, read, source = both
    return Readings(shift, target, tap, read, source, lines.step)
