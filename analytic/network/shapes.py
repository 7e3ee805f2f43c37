r"""Positions: which of them a layer reads, and what is left of an image after it.

Positions of an image are numbered in row-major order. A layer is a table of the positions
that each of its outputs reads, shape (positions out, reads), -1 where it reads the zeros of
the padding; the readings k of two positions p and q belong together.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytic.network.averages import Pooling
from analytic.network.branches import Branched, Layer
from analytic.network.layers import Convolution, FullyConnected
from analytic.network.options import Sizes
from analytic.network.pointwise import Pointwise
from analytic.network.scaling import Scale

__all__ = ["Shape", "filter_axes", "reads", "shape_after", "shapes_after"]

Shape = tuple[int, ...]
Table = NDArray[np.int64]


def shapes_after(layers: tuple[Layer, ...], spatial: Shape) -> tuple[Shape, ...]:
    """The spatial shape of the input and after each layer; () is a vector."""
    shapes = [spatial]
    for layer in layers:
        shapes.append(shape_after(layer, shapes[-1]))
    return tuple(shapes)


def shape_after(layer: Layer, spatial: Shape) -> Shape:
    """The spatial shape after a layer.

    Raises:
        ValueError: the filter does not fit into the image, or the pooling does not divide it.
    """
    if isinstance(layer, FullyConnected):
        return ()
    if isinstance(layer, Pointwise | Scale):
        return spatial
    if isinstance(layer, Branched):
        return _added(layer, spatial)
    if isinstance(layer, Pooling):
        return _pooled(layer, spatial)
    if isinstance(layer, Convolution):
        return _convolved(layer, spatial)
    return ()


def _added(layer: Branched, spatial: Shape) -> Shape:
    """The shape in which all branches end."""
    ends = [shapes_after(branch, spatial)[-1] for branch in layer.branches]
    if len(set(ends)) > 1:
        each = (
            f"{_by(end)} after {', '.join(map(repr, branch)) or 'the skip'}"
            for branch, end in zip(layer.branches, ends, strict=True)
        )
        raise ValueError(
            f"expected branches of a {type(layer).__name__} that end at the same positions, got,"
            f" for images of {_by(spatial)}, {' and '.join(each)}; {_alike(layer)}"
        )
    return ends[0]


def _alike(layer: Branched) -> str:
    """What makes branches end at the same positions."""
    if () in layer.branches:
        return (
            "let the other branches keep the positions, or put a shortcut for the skip, such as"
            ' Convolution("identity", 1, stride=2) or AveragePooling(2)'
        )
    return (
        "let them stride, pool and pad alike: beside windows of pooling that overlap, convolutions"
        " with padding 'valid'"
    )


def _pooled(layer: Pooling, spatial: Shape) -> Shape:
    size, step = (_each(sizes, layer, spatial) for sizes in (layer.size, layer.step))
    if layer.stride is None and any(p % r for p, r in zip(spatial, size, strict=True)):
        raise ValueError(
            f"expected positions that {layer} divides, got {_by(spatial)}; crop or pad the"
            " images, pool another size, or give it a stride"
        )
    if any(r > p for p, r in zip(spatial, size, strict=True)):
        raise ValueError(
            f"expected images of at least {_by(size)} positions for {layer}, got {_by(spatial)};"
            " pool a smaller size"
        )
    return tuple((p - r) // s + 1 for p, r, s in zip(spatial, size, step, strict=True))


def _convolved(layer: Convolution, spatial: Shape) -> Shape:
    kernel = _each(layer.kernel_size, layer, spatial)
    stride = _each(layer.stride, layer, spatial)
    dilation = _each(layer.dilation, layer, spatial)
    for k, d, p in zip(kernel, dilation, spatial, strict=True):
        if k > 1 and 1 < d >= p:
            raise ValueError(
                f"expected a dilation below the positions of the images for {layer}, got"
                f" {_by(spatial)}, of which its filters see no two at once; lower it, or write"
                " kernel_size 1 in that dimension"
            )
    if layer.padding == "same":
        return tuple(-(-p // s) for p, s in zip(spatial, stride, strict=True))
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if any(k > p for k, p in zip(spans, spatial, strict=True)):
        raise ValueError(
            f"expected images of at least {_by(spans)} positions for {layer}, got"
            f" {_by(spatial)}; use padding 'same', or a smaller kernel_size or dilation"
        )
    return tuple((p - k) // s + 1 for p, k, s in zip(spatial, spans, stride, strict=True))


def _each(sizes: Sizes, layer: Layer, spatial: Shape) -> Shape:
    """One size for each dimension."""
    each = (sizes,) * len(spatial) if isinstance(sizes, int) else sizes
    if len(each) != len(spatial):
        raise ValueError(
            f"expected images with {len(each)} spatial dimensions for {layer}, got"
            f" {_by(spatial)}; reshape them"
        )
    return each


def _by(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "none"


def reads(layer: Layer, spatial: Shape) -> Table:
    """The positions that each output of a layer reads, (positions out, reads), -1 for none.

    A vector has one position; what flattens or pools reads all positions of its window.

    Example:
        >>> reads(Convolution("tanh", 3), (4,))
        array([[-1,  0,  1],
               [ 0,  1,  2],
               [ 1,  2,  3],
               [ 2,  3, -1]])
    """
    if not isinstance(layer, Convolution | Pooling):
        return np.arange(math.prod(spatial))[None, :]
    after = shape_after(layer, spatial)
    wraps = isinstance(layer, Convolution) and layer.padding_mode == "circular"
    axes = [
        _axis(positions, out, axis, wraps)
        for positions, out, axis in zip(spatial, after, filter_axes(layer, spatial), strict=True)
    ]
    return _product(axes, spatial)


def filter_axes(layer: Convolution | Pooling, spatial: Shape) -> list[tuple[int, int, int, int]]:
    """K, s, d and o of each axis: position p reads s p + d k - o for k = 0, ..., K - 1.

    Example:
        >>> filter_axes(Convolution("tanh", (3, 1), stride=2), (8, 8))
        [(3, 2, 1, 1), (1, 2, 1, 0)]
    """
    if isinstance(layer, Pooling):
        each = (_each(sizes, layer, spatial) for sizes in (layer.size, layer.step))
        return [(size, step, 1, 0) for size, step in zip(*each, strict=True)]
    kernel = _each(layer.kernel_size, layer, spatial)
    stride = _each(layer.stride, layer, spatial)
    dilation = _each(layer.dilation, layer, spatial)
    same = layer.padding == "same"
    return [
        (k, s, d, d * ((k - 1) // 2) * same)
        for k, s, d in zip(kernel, stride, dilation, strict=True)
    ]


def _axis(positions: int, out: int, window: tuple[int, int, int, int], wraps: bool) -> Table:
    """The readings along one axis, (out, kernel)."""
    kernel, stride, dilation, back = window
    found = stride * np.arange(out)[:, None] + dilation * np.arange(kernel) - back
    if wraps:
        return found % positions
    return np.where((found >= 0) & (found < positions), found, -1)


def _product(axes: list[Table], spatial: Shape) -> Table:
    """Row-major positions from those along each axis; outside if any of them is."""
    whole = np.zeros((1, 1), dtype=np.int64)
    for axis, positions in zip(axes, spatial, strict=True):
        both = whole[:, None, :, None] * positions + axis[None, :, None, :]
        outside = (whole < 0)[:, None, :, None] | (axis < 0)[None, :, None, :]
        whole = np.where(outside, -1, both).reshape(
            len(whole) * len(axis), whole.shape[1] * axis.shape[1]
        )
    return whole
