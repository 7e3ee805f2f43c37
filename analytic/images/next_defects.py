r"""The fields behind an average that mixes positions, where pairs carry defects.

The mean over a window is the means of Phi less what the norms make of it, a difference. Where two
windows are the same up to a factor both parts may be large. Then the units of the windows agree
one by one: with the shares a_i = r_i/sum r the distance of the means is at most the sum over i of
|a_i u_i - a'_i u'_i|, which is ``matched`` here (docs/theory/convolution.md).
"""

from __future__ import annotations

import numpy as np

from analytic.images.defects import matches
from analytic.images.field_averages import add_total, add_window
from analytic.images.fields import Pairing, Shifts
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields
from analytic.images.shifts import Index, Readings, Scatter, pool_readings, scatter
from analytic.images.stretch_layouts import Layout, run_room
from analytic.images.stretches import Window
from analytic.machine import LANES, Array

__all__ = ["NextDefects", "matched_window"]


def matched_window(layout: Layout, after: Layout) -> Window:
    """How an average carries pairs of equal places in two windows."""
    before, behind = layout.stretch.grid, after.stretch.grid
    found = [
        _matched(shifts, positions, positions // ends, known)
        for shifts, positions, ends, known in (
            (behind.rows, before.height, behind.height, before.rows),
            (behind.columns, before.width, behind.width, before.columns),
        )
    ]
    return found[0], found[1]


def _matched(shifts: Index, positions: int, size: int, known: Index) -> Scatter:
    read = pool_readings(shifts, positions, size)
    same = read.tap // size == read.tap % size
    after, target, tap, shift, source = (part[same] for part in read[:5])
    return scatter(Readings(after, target, tap, shift, source, read.step), known, shifts)


class NextDefects(NextFields):
    """The fields of the next stretch, with the distances of units one by one.

    Args:
        layout: the stretch that ends.
        after: the next one.
        pairing: the pairs.
        window: that of ``matched_window``; None for the mean over all positions.
        shares: a and 1/sum r of the first and the second images, (images, 2, Q) each.
    """

    def __init__(
        self, layout: Layout, after: Layout, pairing: Pairing, window: Window | None,
        shares: tuple[Array, Array],
    ) -> None:  # fmt: skip
        super().__init__(layout, after, layout.stretch.leaves[0], len(pairing.row))
        self._pairing, self._window, self._shares = pairing, window, shares
        shape = (self.pairs, after.stretch.grid.shifts, after.lanes)
        if window is None:
            shape = (self.pairs, layout.shape[2], LANES)
        self._matched = np.zeros(shape), np.zeros(shape)

    def add(self, shifts: Shifts, fields: Fields) -> None:
        """Add some fields."""
        super().add(shifts, fields)
        chosen = self._chosen(shifts)
        if chosen.size == 0:
            return
        some = Shifts(*(part[chosen] for part in shifts))
        whole = fields.sigma.reshape(self.pairs, -1, self.layout.lanes)
        values = whole[:, chosen].reshape(-1, self.layout.lanes)
        moved = np.zeros((2, self.layout.lanes))
        room = run_room(self.layout), moved
        matches(*self._shares, self._pairing, some, self.layout.shape, room, values)
        if self._window is None:
            add_total(1, self.layout.stretch.grid.positions, values, *self._matched)
            return
        widths = self.after.stretch.grid.columns.size
        add_window(
            *self._window, some, self.layout.shape, self.after.shape, widths, values,
            *self._matched,
        )  # fmt: skip

    def _chosen(self, shifts: Shifts) -> Index:
        """The shifts at which equal places of windows are seen."""
        if self._window is None:
            return np.flatnonzero((shifts.down == 0) & (shifts.right == 0))
        rows, columns = (np.diff(axis.first) > 0 for axis in self._window)
        return np.flatnonzero(rows[shifts.row] & columns[shifts.column])

    def finish(self) -> Fields:
        """The fields of the next stretch, (pairs, shifts, Q) each."""
        matched = self._matched[0]
        if self._window is None:
            matched = np.zeros((self.pairs, 1, self.after.lanes))
            matched[:, 0, : self.layout.shape[2]] = self._matched[0].sum(axis=2)
        return super().finish()._replace(matched=matched)
