"""Stretches laid out for the compiled code, and their shifts a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from analytic.images.fields import Shifts, Taps, taps
from analytic.images.grids import Grid
from analytic.images.lane_tables import lanes
from analytic.images.shifts import Index, Scatter
from analytic.images.stretches import Stretch
from analytic.machine import LANES
from analytic.network import Network, Step

__all__ = ["FIELDS", "Frame", "Layout", "all_shifts", "batches", "layouts", "run_room"]

FIELDS = 2**22
"""Bytes of the fields that go through the layers together."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Positions laid out for the compiled code.

    Attributes:
        grid: positions and shifts.
        shape: (H, W, images side by side, H of a plane).
        lanes: Q.
    """

    grid: Grid
    shape: tuple[int, int, int, int]
    lanes: int

    @classmethod
    def of(cls, grid: Grid, copies: int) -> Frame:
        """The same for so many images side by side."""
        shape = grid.height, grid.width, copies, grid.lines
        return cls(grid, shape, lanes(grid.positions, copies))

    @property
    def bytes(self) -> int:
        """Memory of fields that are added up there, for a pair."""
        return 32 * self.grid.shifts * self.lanes


@dataclass(frozen=True, slots=True, eq=False)
class Layout(Frame):
    """A stretch laid out for the compiled code.

    Attributes:
        stretch: the stretch.
        steps: its weight layers.
        windows: the sums before its layers, None where there is nothing to sum up.
        flow: its layers for the walk: only branches that begin within the stretch are opened in it.
        ends: where its fields go, one for each of the ways in which they leave.
        bytes_between: memory of what waits where it begins, for a pair.
    """

    stretch: Stretch
    steps: tuple[Step, ...]
    windows: tuple[tuple[Scatter, Taps] | None, ...]
    flow: tuple[Step, ...]
    ends: tuple[Frame, ...]
    bytes_between: int


@lru_cache(maxsize=32)
def layouts(network: Network, cut: tuple[Stretch, ...], copies: int) -> tuple[Layout, ...]:
    """The stretches of a network for so many images side by side, kept for images that follow."""
    return tuple(_layout(network, stretch, copies) for stretch in cut)


def _layout(network: Network, stretch: Stretch, copies: int) -> Layout:
    (height, width), own = stretch.grid[:2], Frame.of(stretch.grid, copies)
    windows = tuple(
        None if window is None else (window[0], taps(window[1], width, height, copies, own.lanes))
        for window in stretch.windows
    )
    steps = network.steps[stretch.first : stretch.first + len(windows)]
    flow = tuple(
        replace(step, opens=opens, switches=switches)
        for step, (opens, switches) in zip(steps, stretch.marks, strict=True)
    )
    ends = tuple(Frame.of(leave.grid, copies) for leave in stretch.leaves)
    waiting = sum(Frame.of(grid, copies).bytes for grid in stretch.waiting)
    return Layout(
        own.grid, own.shape, own.lanes, stretch, steps, windows, flow, ends, waiting
    )  # fmt: skip


def all_shifts(grid: Grid) -> Shifts:
    """The shifts of a grid, row by row."""
    row, column = (
        part.ravel()
        for part in np.meshgrid(
            np.arange(grid.rows.size), np.arange(grid.columns.size), indexing="ij"
        )
    )
    return Shifts(grid.rows[row], grid.columns[column], row, column)


def batches(shifts: Shifts, pairs: int, size: int) -> Iterator[tuple[slice, Shifts]]:
    """Some shifts at a time, for so many pairs and lanes."""
    few = max(FIELDS // (16 * pairs * size), 1)
    for first in range(0, shifts.row.size, few):
        part = slice(first, first + few)
        yield part, Shifts(*(values[part] for values in shifts))


def run_room(layout: Frame) -> Index:
    """Room for the pieces of an image that moves."""
    height, _, copies, _ = layout.shape
    return np.empty((2 * (height * copies + layout.lanes // LANES) + 2, 3), dtype=np.int64)
