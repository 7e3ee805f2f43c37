r"""A network of images as stretches in which every shift goes alone.

For a shift (dy, dx) the field Sigma(p, p + shift) is an image. A convolution that keeps the
positions is a sum over its windows, and the nonlinearity acts on each number: a field goes through
such layers alone. Strides, "valid" convolutions and averages change the shifts; there a stretch
ends, and its fields are added to those of the next one. Followed from the readout back, flattening
needs the shift 0 only, a pooling window r the shifts below r, global pooling all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from analytic.images.shifts import (
    Index,
    Readings,
    Scatter,
    filter_readings,
    pool_readings,
    scatter,
)
from analytic.network import (
    AveragePooling,
    Averaging,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Layer,
    Network,
    Nonlinearity,
    Shape,
    Sizes,
    shape_after,
)

__all__ = ["Grid", "Leave", "Stretch", "Window", "network_stretches", "sources"]


class Grid(NamedTuple):
    """The positions of an image, and the shifts between them that are needed.

    The shifts are all pairs of one of the rows and one of the columns, increasing; 0 is among both.
    """

    height: int
    width: int
    rows: Index
    columns: Index

    @property
    def positions(self) -> int:
        return self.height * self.width

    @property
    def shifts(self) -> int:
        """Their number."""
        return self.rows.size * self.columns.size


Window = tuple[Scatter, Scatter]
"""How a layer carries the rows and the columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Leave:
    """How the fields of a stretch enter the next one.

    ``total`` adds up all of them, ``mean`` and ``sum`` what the window says; what is not a sum
    is divided by the number ``count`` of what was added. ``mixes`` says whether a pair reads
    other combinations of positions than equal ones.
    """

    kind: Literal["sum", "mean", "total"]
    window: Window | None
    count: int
    mixes: bool


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Layers that every shift goes through alone.

    Attributes:
        grid: positions and shifts.
        first: number of its first weight layer in the network.
        windows: one for each of its weight layers; None where the sum has been taken already.
        reads: how many positions each of the layers reads.
        averaged: whether it begins with the last of the averages before its first layer.
        leave: how it ends; the last stretch has none.
    """

    grid: Grid
    first: int
    windows: tuple[Window | None, ...]
    reads: tuple[int, ...]
    averaged: bool
    leave: Leave | None


class _Linear(NamedTuple):
    """One linear map of the network, and how many positions it reads."""

    layer: Layer
    before: Grid
    after: Grid
    window: Window | None
    reads: int  # 0 if no nonlinearity follows
    last_average: bool

    @property
    def is_local(self) -> bool:
        if isinstance(self.layer, FullyConnected | Nonlinearity):
            return True
        same = self.before[:2] == self.after[:2]
        return self.reads > 0 and same and all(axis.is_local for axis in self.window or ())


def network_stretches(network: Network, spatial: Shape) -> tuple[Stretch, ...]:
    """Cut a network into stretches.

    Args:
        network: the description.
        spatial: shape of the images.

    Example:
        >>> from analytic.network.description import AveragePooling, Convolution, Network
        >>> flat = network_stretches(Network(Convolution("tanh", 3)), (8, 8))
        >>> pooled = network_stretches(Network(Convolution("tanh", 3), AveragePooling(2)), (8, 8))
        >>> [stretch.grid.shifts for stretch in flat], pooled[0].grid.rows
        ([1, 1], array([0, 1, 7]))
    """
    found: list[Stretch] = []
    maps = _maps(network, spatial)
    grid, first, averaged = maps[0].before, 0, False
    windows: list[Window | None] = []
    reads: list[int] = []
    for one in maps:
        if one.is_local:
            windows.append(one.window)
        else:
            found.append(Stretch(grid, first, tuple(windows), tuple(reads), averaged, _leave(one)))
            grid, first, averaged = one.after, first + len(windows), one.last_average
            windows, reads = ([None], []) if one.reads else ([], [])
        if one.reads:
            reads.append(one.reads)
    return (*found, Stretch(grid, first, tuple(windows), tuple(reads), averaged, None))


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
    sizes, ends = _plane(shape, len(shape)), _plane(after, len(shape))
    axes: list[Index] = []
    for axis in (0, 1):
        read = _readings(layer, axis, len(shape), sizes[axis], ends[axis], np.zeros(1, np.int64))
        kernel = _both(layer.kernel_size, len(shape))[axis]
        axes.append(np.full((kernel, ends[axis]), -1))
        axes[axis][read.tap, read.target] = read.source
    rows, columns = axes[0][:, None, :, None], axes[1][None, :, None, :]
    inside = (rows >= 0) & (columns >= 0)
    return np.where(inside, rows * sizes[1] + columns, -1).reshape(-1, math.prod(ends))


def _count(layer: Layer, dimensions: int) -> int:
    """How many positions are summed up in a pre-activation, 0 if there is none."""
    if isinstance(layer, Convolution):
        return math.prod(_both(layer.kernel_size, dimensions))
    return int(isinstance(layer, FullyConnected | Nonlinearity))


def _point() -> Grid:
    none = np.zeros(1, dtype=np.int64)
    return Grid(1, 1, none, none)


def _maps(network: Network, spatial: Shape) -> list[_Linear]:
    """All linear maps, with the shifts that are needed before and after them."""
    layers: list[tuple[Layer, bool]] = []
    for step in network.steps:
        layers += [*_averages(step.averages), (step.layer, False)]
    layers += _averages(network.readout)
    shapes = [spatial]
    for layer, _ in layers:
        shapes.append(shape_after(layer, shapes[-1]))
    found: list[_Linear] = []
    after = _point()
    for (layer, last), shape in zip(reversed(layers), reversed(shapes[:-1]), strict=True):
        before, window = _before(layer, shape, after)
        found.insert(0, _Linear(layer, before, after, window, _count(layer, len(shape)), last))
        after = before
    return found


def _averages(layers: tuple[Averaging, ...]) -> list[tuple[Layer, bool]]:
    """Averages, and which one is the last."""
    return [(layer, number == len(layers)) for number, layer in enumerate(layers, 1)]


def _plane(sizes: Shape, dimensions: int) -> tuple[int, int]:
    """Two sizes from those of so many dimensions; a line is a plane of height 1."""
    height, width = (1,) * (2 - dimensions) + sizes
    return height, width


def _both(sizes: Sizes, dimensions: int) -> tuple[int, int]:
    """An option for both dimensions."""
    return _plane((sizes,) * dimensions if isinstance(sizes, int) else sizes, dimensions)


def _before(layer: Layer, shape: Shape, after: Grid) -> tuple[Grid, Window | None]:
    """The shifts that a layer needs, and how it carries them."""
    if isinstance(layer, FullyConnected | Nonlinearity):
        return after, None
    plane = _plane(shape, len(shape))
    if isinstance(layer, Flatten | GlobalAveragePooling):
        flat = isinstance(layer, Flatten)
        rows, columns = (np.arange(1 if flat else size) for size in plane)
        return Grid(*plane, rows, columns), None
    ends = (after.height, after.rows), (after.width, after.columns)
    rows, columns = (
        _readings(layer, axis, len(shape), plane[axis], *ends[axis]) for axis in (0, 1)
    )
    grid = Grid(*plane, *(np.unique(np.append(part.shift, 0)) for part in (rows, columns)))
    return grid, (
        scatter(rows, grid.rows, after.rows),
        scatter(columns, grid.columns, after.columns),
    )


def _readings(
    layer: Layer, axis: int, dimensions: int, size: int, ends: int, shifts: Index
) -> Readings:
    """What a convolution or a pooling reads along one of two axes."""
    if isinstance(layer, AveragePooling):
        return pool_readings(shifts, size, _both(layer.size, dimensions)[axis])
    assert isinstance(layer, Convolution)
    kernel, stride = (_both(v, dimensions)[axis] for v in (layer.kernel_size, layer.stride))
    back = (kernel - 1) // 2 if layer.padding == "same" else 0
    wraps = layer.padding_mode == "circular"
    return filter_readings(shifts, size, ends, kernel, stride, back, wraps)


def _leave(one: _Linear) -> Leave:
    before, after = one.before, one.after
    if isinstance(one.layer, Flatten | GlobalAveragePooling):
        mixes = isinstance(one.layer, GlobalAveragePooling)
        return Leave("total", None, before.positions ** (2 if mixes else 1), mixes)
    if one.reads:
        return Leave("sum", one.window, 1, False)
    window = before.positions // after.positions
    return Leave("mean", one.window, window**2, window > 1)
