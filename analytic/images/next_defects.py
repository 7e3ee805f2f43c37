r"""The fields behind an average that mixes positions, where pairs carry defects.

The mean over a window is the means of Phi less what the norms make of it, a difference. Where two
windows are the same up to a factor both parts may be large. Then the units of the windows agree
one by one: with the shares a_i = r_i/sum r the distance of the means is at most the sum over i of
|a_i u_i - a'_i u'_i|, which is ``matched`` here (docs/theory/convolution.md). Windows that overlap
give a unit another share in each of them: what is before the next window begins, and what is
behind, are added up one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from analytic.images.axes import lines_of_planes
from analytic.images.defect_averages import matches
from analytic.images.field_averages import add_total, add_window
from analytic.images.fields import Pairing, Shifts
from analytic.images.grids import Window
from analytic.images.linear_maps import Leave
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields, Room
from analytic.images.shifts import Index, Readings, pool_readings, scatter
from analytic.images.stretch_layouts import Frame, Layout, run_room
from analytic.machine import LANES, Array

__all__ = ["NextDefects", "matched_windows", "ways"]


def ways(leave: Leave) -> list[tuple[int, ...]]:
    """The windows of a position, on each axis counted back from the last of them."""
    return list(product(*(range(-(-size // stride)) for size, stride in leave.pools)))


def matched_windows(layout: Layout, after: Frame, leave: Leave) -> tuple[Window, ...]:
    """How an average carries pairs of equal places in two windows, for all ``ways``."""
    before, behind = layout.stretch.grid, after.grid
    found: list[Window] = []
    for way in ways(leave):
        planes, lines, columns = (
            _matched(pool_readings(shifts, positions, ends, *pool), pool, back)
            for shifts, positions, ends, pool, back in zip(
                behind.along, before.sides, behind.sides, leave.pools, way, strict=True
            )
        )
        rows = lines_of_planes(planes, lines, before.lines, behind.lines)
        down = scatter(rows, before.rows, behind.rows)
        found.append((down, scatter(columns, before.columns, behind.columns)))
    return tuple(found)


def _matched(read: Readings, pool: tuple[int, int], back: int) -> Readings:
    """The readings of equal places in windows that have them ``back`` before the last one."""
    size, stride = pool
    place = read.tap % size
    chosen = (read.tap // size == place) & (place // stride == back)
    after, target, tap, shift, source = (part[chosen] for part in read[:5])
    return Readings(after, target, tap, shift, source, read.step)


class NextDefects(NextFields):
    """The fields of the next stretch, with the distances of units one by one.

    Args:
        layout: the stretch that ends.
        after: where its fields go.
        pairing: the pairs.
        windows: those of ``matched_windows``; None for the mean over all positions.
        shares: a and 1/sum r of the first and the second images, (images, 2 ways, Q) each.
        room: memory.
        shifts: those whose fields will be added; all if None.
    """

    def __init__(
        self, layout: Layout, after: Frame, pairing: Pairing,
        windows: tuple[Window, ...] | None, shares: tuple[Array, Array], room: Room,
        shifts: Shifts | None = None,
    ) -> None:  # fmt: skip
        super().__init__(layout, after, layout.stretch.leaves[0], len(pairing.row), room, shifts)
        self._pairing, self._windows = pairing, windows
        self._shares = [
            [np.ascontiguousarray(lines[:, first : first + 2]) for lines in shares]
            for first in range(0, shares[0].shape[1], 2)
        ]
        shape = (self.pairs, after.grid.shifts, after.lanes)
        if windows is None:
            shape = (self.pairs, layout.shape[2], LANES)
        self._matched = self.empty(*shape), self.empty(*shape)

    def add(self, shifts: Shifts, fields: Fields) -> None:
        """Add some fields."""
        super().add(shifts, fields)
        for number, shares in enumerate(self._shares):
            window = None if self._windows is None else self._windows[number]
            chosen = self._chosen(shifts, window)
            if chosen.size:
                self._match(shifts, fields, chosen, shares, window)

    def _match(
        self, shifts: Shifts, fields: Fields, chosen: Index, shares: Sequence[Array],
        window: Window | None,
    ) -> None:  # fmt: skip
        """Add the distances at some shifts."""
        some = Shifts(*(part[chosen] for part in shifts))
        whole = fields.sigma.reshape(self.pairs, -1, self.layout.lanes)
        values = whole[:, chosen].reshape(-1, self.layout.lanes)
        moved = np.zeros((2, self.layout.lanes))
        room = run_room(self.layout), moved
        matches(*shares, self._pairing, some, self.layout.shape, room, values)
        if window is None:
            add_total(1, self.layout.stretch.grid.positions, values, *self._matched)
            return
        widths = self.after.grid.columns.size
        add_window(
            *window, some, self.layout.shape, self.after.shape, widths, values, *self._matched
        )

    def _chosen(self, shifts: Shifts, window: Window | None) -> Index:
        """The shifts at which equal places of windows are seen."""
        if window is None:
            return np.flatnonzero((shifts.down == 0) & (shifts.right == 0))
        rows, columns = (np.diff(axis.first) > 0 for axis in window)
        return np.flatnonzero(rows[shifts.row] & columns[shifts.column])

    def finish(self) -> Fields:
        """The fields of the next stretch, (pairs, shifts, Q) each."""
        matched, lost = self._matched
        self.room.give(lost)
        if self._windows is None:
            matched = self.room.zeros(self.pairs, 1, self.after.lanes)
            matched[:, 0, : self.layout.shape[2]] = self._matched[0].sum(axis=2)
            self.room.give(self._matched[0])
        return super().finish()._replace(matched=matched)
