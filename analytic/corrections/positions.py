r"""Where a layer of images looks: linear maps of the positions.

Inputs at positions are points. Between the units of two layers stands, for covariances, for
traces of Gram matrices and for their squares alike, a map of pairs of points

    M(a', b') = sum_k B_k(a', a) B_k(b', b) M(a, b)

with matrices B_k of positions: one for every offset of a filter (taps of equal offset share
their weights), one mean for a pooling, one position, divided by its root number, for Flatten.
"""

from __future__ import annotations

from functools import reduce
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray

from analytic.network import (
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Pooling,
)

__all__ = ["Placed", "mean_map", "pair_map", "position_maps"]

Array = NDArray[np.float64]
Placed = Convolution | FullyConnected | Pooling | Flatten | GlobalAveragePooling


def position_maps(layer: Placed, shape: tuple[int, ...], after: tuple[int, ...]) -> list[Array]:
    """The matrices B_k, (positions after, positions before) each."""
    count = prod(shape)
    if isinstance(layer, FullyConnected):
        return [np.eye(count)]
    if isinstance(layer, Flatten):
        return [row[None] / np.sqrt(count) for row in np.eye(count)]
    if isinstance(layer, GlobalAveragePooling):
        return [np.full((1, count), 1 / count)]
    axes = [_axis(layer, d, shape[d], after[d]) for d in range(len(shape))]
    return [_kron(choice) for choice in product(*axes)]


def _axis(layer: Convolution | Pooling, d: int, size: int, after: int) -> list[Array]:
    """The matrices along one axis."""
    out = np.arange(after)
    if isinstance(layer, Pooling):
        window, step = _along(layer.size, d), _along(layer.step, d)
        read = np.arange(size) - step * out[:, None]
        return [((read >= 0) & (read < window)) / window]
    width, stride = _along(layer.kernel_size, d), _along(layer.stride, d)
    apart = _along(layer.dilation, d)
    first = 0 if layer.padding == "valid" else -apart * ((width - 1) // 2)
    found: list[Array] = []
    for k in range(width):
        read = stride * out + apart * k + first
        if layer.padding_mode == "circular":
            read = read % size
        inside = (read >= 0) & (read < size)
        matrix = np.zeros((after, size))
        matrix[out[inside], read[inside]] = 1.0
        found.append(matrix)
    return found


def _along(value: int | tuple[int, ...], d: int) -> int:
    return value if isinstance(value, int) else (*value, *value)[d]


def _kron(axes: tuple[Array, ...]) -> Array:
    return reduce(_product, axes)


def _product(a: Array, b: Array) -> Array:
    return np.asarray(np.kron(a, b), dtype=np.float64)


def pair_map(maps: list[Array], n: int) -> Array:
    """M of pairs of points of n inputs, ((n P')^2, (n P)^2)."""
    whole = [np.kron(np.eye(n), b) for b in maps]
    return np.asarray(sum(np.kron(b, b) for b in whole), dtype=np.float64)


def mean_map(maps: list[Array], n: int) -> Array:
    """The map of the means of the units of an averaging layer, (n P', n P)."""
    one: Array = maps[0] if len(maps) == 1 else np.sum(np.square(maps), axis=0)
    return _product(np.eye(n), one)
