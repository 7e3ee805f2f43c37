r"""Pairs of different positions of one image: its fields with itself at all shifts but 0.

A shift and its opposite are the same pairs, so that half of them are enough.
"""

from __future__ import annotations

import numpy as np

from analytic.images.fields import Shifts, move_fields
from analytic.images.grids import Grid
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields, Propagation, Room
from analytic.images.shifts import Index
from analytic.images.stretch_layouts import Layout, all_shifts, batches, run_room
from analytic.machine import Array

__all__ = ["STILL", "add_other_shifts", "pixels"]

NONE = np.zeros(1, dtype=np.int64)
STILL = Shifts(NONE, NONE, NONE, NONE)
"""The shift 0, which is the first one of every grid."""


def pixels(x: Array, panels: Index, size: int) -> Array:
    """Images (n, positions, channels) panel by panel, (panels, channels, Q)."""
    chosen = x[panels]  # (panels, copies, positions, channels)
    lines = chosen.transpose(0, 3, 1, 2).reshape(len(panels), x.shape[2], -1)
    return np.ascontiguousarray(np.pad(lines, ((0, 0), (0, 0), (0, size - lines.shape[2]))))


def add_other_shifts(
    layout: Layout, propagation: Propagation, entries: list[Fields], targets: list[NextFields]
) -> None:
    """Add the fields of an image with itself at all shifts but 0."""
    shifts = all_shifts(layout.stretch.grid)
    chosen, opposite = _half(layout.stretch.grid, shifts)
    half = Shifts(*(part[chosen] for part in shifts))
    for part, some in batches(half, 1, layout.lanes):
        none = np.zeros((2, 1))
        if entries:
            here = chosen[part]
            picked = [Fields(one.sigma[:, here], one.theta[:, here], none) for one in entries]
            begun = propagation.enter(picked, some.row.size, slice(None))
        else:
            begun = [propagation.start(layout, some, none)]
        fields = propagation.through(layout, some, begun)
        there, moved = _opposite(layout, propagation.room, shifts, opposite[part], fields)
        for target in targets:
            target.add(some, fields)
            target.add(there, moved)
        propagation.room.give(*fields[:2], *moved[:2])


def _half(grid: Grid, shifts: Shifts) -> tuple[Index, Index]:
    """Half of the shifts, without 0, and the opposite ones; their own opposite is -1."""
    deep, low = np.divmod(shifts.down, grid.lines)
    opposite_row = -deep % (grid.height // grid.lines) * grid.lines + -low % grid.lines
    rows = np.searchsorted(grid.rows, opposite_row)
    columns = np.searchsorted(grid.columns, -shifts.right % grid.width)
    opposite = rows * grid.columns.size + columns
    number = np.arange(opposite.size)
    chosen = np.flatnonzero((number <= opposite) & (number > 0))
    opposite = opposite[chosen]
    return chosen, np.where(opposite == chosen, -1, opposite)


def _opposite(
    layout: Layout, room: Room, shifts: Shifts, opposite: Index, fields: Fields
) -> tuple[Shifts, Fields]:
    """Sigma(p, p - shift), which is Sigma(p - shift, p), and Theta, where they are others."""
    others = np.flatnonzero(opposite >= 0)
    there = Shifts(*(part[opposite[others]] for part in shifts))
    sigma, theta = (room.zeros(others.size, layout.lanes) for _ in range(2))
    for values, out in zip(fields[:2], (sigma, theta), strict=True):
        move_fields(there, layout.shape, run_room(layout), values, others, out)
    return there, Fields(sigma, theta, np.zeros((2, 1)))
