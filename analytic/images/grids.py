"""Positions of images and the shifts between them: what a layer needs, and how it carries them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from analytic.images.axes import AXES, Triple, lines_of_planes, readings, three
from analytic.images.shifts import Index, Scatter, scatter
from analytic.network import (
    Flatten,
    FullyConnected,
    GlobalAveragePooling,
    Layer,
    Pointwise,
    Shape,
)

__all__ = ["POINT", "Grid", "Window", "needed", "united", "window_of"]


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
    def sides(self) -> Triple:
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


_NONE = np.zeros(1, dtype=np.int64)
POINT = Grid(1, 1, _NONE, _NONE, 1)
"""A vector."""
Window = tuple[Scatter, Scatter]
"""How a layer carries the rows and the columns."""


def _grid(sides: Triple, along: Sequence[Index]) -> Grid:
    """Positions, and the shifts that are combined of some along each side."""
    (planes, lines, columns), (deep, low, right) = sides, along
    rows = (deep[:, None] * lines + low).ravel()
    return Grid(planes * lines, columns, rows, right, lines)


def united(grids: Sequence[Grid]) -> Grid:
    """The positions of grids that have the same, with the shifts of all of them."""
    if len(grids) == 1:
        return grids[0]
    sides = zip(*(grid.along for grid in grids), strict=True)
    return _grid(grids[0].sides, [reduce(np.union1d, along) for along in sides])


def needed(layer: Layer, shape: Shape, after: Grid) -> Grid:
    """The positions of images before a layer, and the shifts that it needs of them.

    Args:
        layer: weights, a layer without them, or an average.
        shape: of the images.
        after: what is needed behind the layer.
    """
    if isinstance(layer, FullyConnected | Pointwise):
        return after
    sizes = three(shape, len(shape))
    if isinstance(layer, Flatten | GlobalAveragePooling):
        flat = isinstance(layer, Flatten)
        return _grid(sizes, [np.arange(1 if flat else size) for size in sizes])
    ends = zip(after.sides, after.along, strict=True)
    read = (readings(layer, axis, shape, *end).shift for axis, end in enumerate(ends))
    return _grid(sizes, [np.unique(np.append(shift, 0)) for shift in read])


def window_of(layer: Layer, shape: Shape, before: Grid, after: Grid) -> Window | None:
    """How a layer carries the shifts of a grid, to those of another; None where all are added.

    Args:
        layer: as for ``needed``.
        shape: of the images before it.
        before: their positions, and at least the shifts that are needed.
        after: those behind the layer.
    """
    if isinstance(layer, FullyConnected | Pointwise | Flatten | GlobalAveragePooling):
        return None
    ends = list(zip(after.sides, after.along, strict=True))
    planes, lines, columns = (readings(layer, axis, shape, *ends[axis]) for axis in range(AXES))
    rows = lines_of_planes(planes, lines, before.lines, after.lines)
    down = scatter(rows, before.rows, after.rows)
    return down, scatter(columns, before.columns, after.columns)
