"""From one stretch to the next: fields are added up, once for each branch that begins there."""

from __future__ import annotations

import numpy as np

from analytic.images.field_averages import add_total, add_window, finish_total
from analytic.images.fields import Shifts
from analytic.images.propagation import Fields
from analytic.images.stretch_layouts import Layout
from analytic.images.stretches import Leave
from analytic.machine import LANES, Array

__all__ = ["NextFields"]


class NextFields:
    """Fields of the next stretch, to which those of a stretch are added.

    Args:
        layout: the stretch that ends.
        after: the next one.
        leave: how fields get from one to the other.
        pairs: the number of pairs.
    """

    def __init__(self, layout: Layout, after: Layout, leave: Leave, pairs: int) -> None:
        self.layout, self.after, self.leave, self.pairs = layout, after, leave, pairs
        copies, shifts = layout.shape[2], after.stretch.grid.shifts
        total = self.leave.kind == "total"
        shape = (pairs, copies, LANES) if total else (pairs, shifts, after.lanes)
        self._sums = [(np.zeros(shape), np.zeros(shape)) for _ in range(2)]
        self.error = np.zeros((1, pairs))

    def add(self, shifts: Shifts, fields: Fields) -> None:
        """Add some fields."""
        self.error = np.maximum(self.error, fields.error)
        grid, after = self.layout.stretch.grid, self.after
        for values, (total, lost) in zip(fields[:2], self._sums, strict=True):
            if self.leave.window is None:
                add_total(shifts.row.size, grid.positions, values, total, lost)
            else:
                widths = after.stretch.grid.columns.size
                add_window(
                    *self.leave.window, shifts, self.layout.shape, after.shape, widths, values,
                    total, lost,
                )  # fmt: skip

    @classmethod
    def all_of(cls, layout: Layout, after: Layout, pairs: int) -> list[NextFields]:
        """Those of every branch that begins with the next stretch."""
        return [cls(layout, after, leave, pairs) for leave in layout.stretch.leaves]

    def finish(self) -> Fields:
        """The fields of the next stretch, (pairs, shifts, Q) each."""
        found: list[Array] = []
        for total, _ in self._sums:
            if self.leave.window is None:
                out = np.zeros((self.pairs, 1, self.after.lanes))
                finish_total(total, self.leave.count, out)
                total = out
            elif self.leave.count > 1:
                total /= self.leave.count
            found.append(total)
        return Fields(found[0], found[1], self.error)
