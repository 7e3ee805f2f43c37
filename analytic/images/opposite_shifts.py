"""Pairs of positions of one image: a shift and its opposite are the same pairs."""

from __future__ import annotations

import numpy as np

from analytic.images.fields import Shifts, move_lines, pieces
from analytic.images.propagation import Fields, NextFields
from analytic.images.shifts import Index
from analytic.images.stretch_layouts import Layout
from analytic.images.stretches import Grid
from analytic.machine import LANES

__all__ = ["add_opposite", "half"]


def half(grid: Grid, shifts: Shifts) -> tuple[Index, Index]:
    """Half of the shifts, without 0, and the opposite ones; their own opposite is -1."""
    rows = np.searchsorted(grid.rows, -shifts.down % grid.height)
    columns = np.searchsorted(grid.columns, -shifts.right % grid.width)
    opposite = rows * grid.columns.size + columns
    number = np.arange(opposite.size)
    chosen = np.flatnonzero((number <= opposite) & (number > 0))
    opposite = opposite[chosen]
    return chosen, np.where(opposite == chosen, -1, opposite)


def add_opposite(
    layout: Layout, shifts: Shifts, opposite: Index, some: Shifts, fields: Fields,
    target: NextFields,
) -> None:  # fmt: skip
    """Add Sigma(p, p - shift), which is Sigma(p - shift, p)."""
    height, width, _ = layout.shape
    runs = np.empty((2 * (height + layout.lanes // LANES) + 2, 3), dtype=np.int64)
    moved = np.zeros((2, layout.lanes))
    for number, other in enumerate(opposite):
        if other < 0:
            continue
        there = Shifts(*(part[other : other + 1] for part in shifts))
        count = pieces(height, width, 1, int(there.down[0]), int(there.right[0]), runs)
        for values, out in zip(fields[:2], moved, strict=True):
            move_lines(values[number : number + 1], runs, count, out[None])
        target.add(there, Fields(moved[:1], moved[1:], np.zeros((2, 1))))
