"""Stretches laid out for the compiled code, and their shifts a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analytic.images.fields import Shifts, Taps, taps
from analytic.images.lane_tables import lanes
from analytic.images.shifts import Index, Scatter
from analytic.images.stretches import Grid, Stretch
from analytic.machine import LANES
from analytic.network import Network, Step

__all__ = ["FIELDS", "Layout", "all_shifts", "batches", "layouts", "run_room"]

FIELDS = 2**22
"""Bytes of the fields that go through the layers together."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A stretch laid out for the compiled code.

    Attributes:
        stretch: the stretch.
        steps: its weight layers.
        shape: (H, W, images side by side, H of a plane).
        lanes: Q.
        windows: the sums before its layers, None where there is nothing to sum up.
        flow: its layers for the walk: branches that begin with the stretch are not opened in it.
    """

    stretch: Stretch
    steps: tuple[Step, ...]
    shape: tuple[int, int, int, int]
    lanes: int
    windows: tuple[tuple[Scatter, Taps] | None, ...]
    flow: tuple[Step, ...]

    @property
    def bytes_between(self) -> int:
        """Memory of what enters the stretch, for a pair."""
        return 32 * self.stretch.entries * self.stretch.grid.shifts * self.lanes


def layouts(network: Network, cut: Sequence[Stretch], copies: int) -> tuple[Layout, ...]:
    """The stretches of a network for so many images side by side."""
    return tuple(_layout(network, stretch, copies) for stretch in cut)


def _layout(network: Network, stretch: Stretch, copies: int) -> Layout:
    height, width = stretch.grid[:2]
    size = lanes(height * width, copies)
    windows = tuple(
        None if window is None else (window[0], taps(window[1], width, height, copies, size))
        for window in stretch.windows
    )
    steps = network.steps[stretch.first : stretch.first + len(windows)]
    flow = steps if stretch.entries == 1 else (replace(steps[0], opens=0), *steps[1:])
    shape = height, width, copies, stretch.grid.lines
    return Layout(stretch, steps, shape, size, windows, flow)


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


def run_room(layout: Layout) -> Index:
    """Room for the pieces of an image that moves."""
    height, _, copies, _ = layout.shape
    return np.empty((2 * (height * copies + layout.lanes // LANES) + 2, 3), dtype=np.int64)
