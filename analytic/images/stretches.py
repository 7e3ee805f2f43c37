r"""A network of images as stretches in which every shift goes alone.

For a shift (dy, dx) the field Sigma(p, p + shift) is an image. A convolution that keeps the
positions is a sum over its windows, and the nonlinearity acts on each number: a field goes through
such layers alone. Strides, "valid" convolutions and averages change the shifts; there a stretch
ends, and its fields are added to those of the next one: once for each branch of a sum whose
branches begin with strides. Followed from the readout back, flattening
needs the shift 0 only, pooling windows of r side by side the shifts below r, global pooling all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from analytic.images.axes import AXES, lines_of_planes, pooled, readings, three
from analytic.images.shifts import Index, Scatter, scatter
from analytic.network import (
    Averaging,
    Convolution,
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Layer,
    Network,
    Pointwise,
    Pooling,
    Shape,
    moves,
    shape_after,
)

__all__ = [
    "Grid",
    "Leave",
    "Stretch",
    "Window",
    "network_stretches",
]


class Grid(NamedTuple):
    """The positions of an image, and the shifts between them that are needed.

    The shifts are all pairs of one of the rows and one of the columns, increasing; 0 is among both.
    The rows of three dimensions are those of all planes: see ``analytic.images.fields.Shifts``.
    """

    height: int
    width: int
    rows: Index
    columns: Index
    lines: int  # of a plane

    @property
    def sides(self) -> tuple[int, int, int]:
        """Planes, lines of a plane, columns."""
        return self.height // self.lines, self.lines, self.width

    @property
    def along(self) -> tuple[Index, Index, Index]:
        """The shifts along each of the sides."""
        deep, low = np.divmod(self.rows, self.lines)
        return np.unique(deep), np.unique(low), self.columns

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
    other combinations of positions than equal ones, ``pools`` what size and stride the windows
    of an average have along each axis.
    """

    kind: Literal["sum", "mean", "total"]
    window: Window | None
    count: int
    mixes: bool
    pools: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Layers that every shift goes through alone.

    Attributes:
        grid: positions and shifts.
        first: number of its first weight layer in the network.
        windows: one for each of its weight layers; None where the sum has been taken already.
        reads: how many positions each of the layers reads.
        averaged: whether it begins with the last of the averages before its first layer.
        entries: how many branches begin with it.
        leaves: how it ends, one for each branch that begins with the next one.
    """

    grid: Grid
    first: int
    windows: tuple[Window | None, ...]
    reads: tuple[int, ...]
    averaged: bool
    entries: int
    leaves: tuple[Leave, ...]


class _Place(NamedTuple):
    """Where a layer stands: its input's shape, and those that begin other branches there."""

    layer: Layer
    shape: Shape
    others: list[Layer]
    last_average: bool
    taken: bool  # whether its sum is taken where an earlier branch begins


class _Linear(NamedTuple):
    """One linear map of the network, and how many positions it reads."""

    place: _Place
    before: Grid
    after: Grid
    windows: tuple[Window, ...]  # of the layer and of the others
    reads: int  # 0 if no nonlinearity follows

    @property
    def is_local(self) -> bool:
        if self.place.taken or isinstance(self.place.layer, FullyConnected | Pointwise):
            return True
        same = self.before[:2] == self.after[:2]
        return self.reads > 0 and same and all(axis.is_local for axis in self.windows[0])

    @property
    def leaves(self) -> tuple[Leave, ...]:
        """How a stretch ends here."""
        before, layer = self.before, self.place.layer
        if isinstance(layer, Flatten | GlobalAveragePooling):
            mixes = isinstance(layer, GlobalAveragePooling)
            all_of = tuple((size, size) for size in before.sides)
            count = before.positions ** (2 if mixes else 1)
            return (Leave("total", None, count, mixes, all_of),)
        if self.reads:
            return tuple(Leave("sum", window, 1, False) for window in self.windows)
        assert isinstance(layer, Pooling)
        pools = pooled(layer, len(self.place.shape))
        size = math.prod(size for size, _ in pools)
        return (Leave("mean", self.windows[0], size**2, size > 1, pools),)


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
    grid, first, averaged, entries = maps[0].before, 0, False, 1
    windows: list[Window | None] = []
    reads: list[int] = []
    for one in maps:
        if one.is_local:
            windows.append(one.windows[0] if one.windows and not one.place.taken else None)
        else:
            leaves = one.leaves
            done = tuple(windows), tuple(reads)
            found.append(Stretch(grid, first, *done, averaged, entries, leaves))
            grid, first, averaged = one.after, first + len(windows), one.place.last_average
            entries = len(leaves)
            windows, reads = ([None], []) if one.reads else ([], [])
        if one.reads:
            reads.append(one.reads)
    return (*found, Stretch(grid, first, tuple(windows), tuple(reads), averaged, entries, ()))


def _count(layer: Layer, dimensions: int) -> int:
    """How many positions are summed up in a pre-activation, 0 if there is none."""
    if isinstance(layer, Convolution):
        return math.prod(three(layer.kernel_size, dimensions))
    return int(isinstance(layer, FullyConnected | Pointwise))


def _point() -> Grid:
    none = np.zeros(1, dtype=np.int64)
    return Grid(1, 1, none, none, 1)


def _maps(network: Network, spatial: Shape) -> list[_Linear]:
    """All linear maps, with the shifts that are needed before and after them."""
    found: list[_Linear] = []
    after = _point()
    for place in reversed(_places(network, spatial)):
        before, windows = after, ()
        if not place.taken:
            before, windows = _before((place.layer, *place.others), place.shape, after)
        reads = _count(place.layer, len(place.shape))
        found.insert(0, _Linear(place, before, after, windows, reads))
        after = before
    return found


def _places(network: Network, spatial: Shape) -> list[_Place]:
    """All linear maps in order, and what they find; branches that stride begin together."""
    found: list[_Place] = []
    shape, began = spatial, None
    for step in network.steps:
        for layer, last in _averages(step.averages):
            found.append(_Place(layer, shape, [], last, False))
            shape = shape_after(layer, shape)
        if step.switches and moves(step.layer):
            assert began is not None
            began.others.append(step.layer)
            found.append(_Place(step.layer, began.shape, [], False, True))
            shape = shape_after(step.layer, began.shape)
            continue
        found.append(_Place(step.layer, shape, [], False, False))
        began = found[-1] if moves(step.layer) else began
        shape = shape_after(step.layer, shape)
    for layer, last in _averages(network.readout):
        found.append(_Place(layer, shape, [], last, False))
        shape = shape_after(layer, shape)
    return found


def _averages(layers: tuple[Averaging, ...]) -> list[tuple[Layer, bool]]:
    """Averages, and which one is the last."""
    return [(layer, number == len(layers)) for number, layer in enumerate(layers, 1)]


def _before(
    layers: tuple[Layer, ...], shape: Shape, after: Grid
) -> tuple[Grid, tuple[Window, ...]]:
    """The shifts that layers side by side need, and how each carries them."""
    layer = layers[0]
    if isinstance(layer, FullyConnected | Pointwise):
        return after, ()
    sizes = three(shape, len(shape))
    if isinstance(layer, Flatten | GlobalAveragePooling):
        flat = isinstance(layer, Flatten)
        return _grid(sizes, [np.arange(1 if flat else size) for size in sizes]), ()
    ends = list(zip(after.sides, after.along, strict=True))
    needs = [[readings(one, axis, shape, *ends[axis]) for axis in range(AXES)] for one in layers]
    before = _grid(
        sizes,
        [
            np.unique(np.concatenate([[0], *(all_axes[axis].shift for all_axes in needs)]))
            for axis in range(AXES)
        ],
    )
    windows: list[Window] = []
    for planes, lines, columns in needs:
        rows = lines_of_planes(planes, lines, before.lines, after.lines)
        down, right = scatter(rows, before.rows, after.rows), before.columns
        windows.append((down, scatter(columns, right, after.columns)))
    return before, tuple(windows)


def _grid(sides: tuple[int, int, int], along: Sequence[Index]) -> Grid:
    """Positions, and the shifts that are combined of some along each side."""
    (planes, lines, columns), (deep, low, right) = sides, along
    rows = (deep[:, None] * lines + low).ravel()
    return Grid(planes * lines, columns, rows, right, lines)
