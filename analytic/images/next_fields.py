"""From one stretch to others: fields are added up, once for each branch that begins there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analytic.images.field_averages import add_total, add_window, finish_total
from analytic.images.fields import Shifts
from analytic.images.linear_maps import Leave
from analytic.images.propagation import Fields, Room
from analytic.images.stretch_layouts import Frame, Layout
from analytic.machine import LANES, Array

__all__ = ["NextFields"]


class NextFields:
    """Fields of the next stretch, to which those of a stretch are added.

    Args:
        layout: the stretch that ends.
        after: where they go.
        leave: how fields get from one to the other.
        pairs: the number of pairs.
        room: memory, to which what ``finish`` returns may be given back.
        shifts: those whose fields will be added, which few of the next shifts may see; all if None.
    """

    def __init__(
        self, layout: Layout, after: Frame, leave: Leave, pairs: int, room: Room,
        shifts: Shifts | None = None,
    ) -> None:  # fmt: skip
        self.layout, self.after, self.leave, self.pairs = layout, after, leave, pairs
        self.room, self._seen = room, _rows(after, leave, shifts)
        copies, count = layout.shape[2], after.grid.shifts
        total = self.leave.kind == "total"
        side_by_side = min(1 << (layout.stretch.grid.positions - 1).bit_length(), LANES)
        shape = (pairs, copies, side_by_side) if total else (pairs, count, after.lanes)
        self._sums = [(self.empty(*shape), self.empty(*shape)) for _ in range(2)]
        self.error = np.zeros((1, pairs))

    def empty(self, *shape: int) -> Array:
        """Zeros at the shifts that are seen, anything at others."""
        found = self.room.take(*shape)
        for row in self._seen:
            found[:, self._part(row)] = 0.0
        return found

    def _part(self, row: int) -> slice:
        """The shifts of a row."""
        width = self.after.grid.columns.size
        return slice(None) if self.leave.window is None else slice(row * width, (row + 1) * width)

    def add(self, shifts: Shifts, fields: Fields) -> None:
        """Add some fields."""
        self.error = np.maximum(self.error, fields.error)
        grid, after = self.layout.stretch.grid, self.after
        for values, (total, lost) in zip(fields[:2], self._sums, strict=True):
            if self.leave.window is None:
                add_total(shifts.row.size, grid.positions, values, total, lost)
            else:
                widths = after.grid.columns.size
                add_window(
                    *self.leave.window, shifts, self.layout.shape, after.shape, widths, values,
                    total, lost,
                )  # fmt: skip

    @classmethod
    def all_of(
        cls, layout: Layout, pairs: int, room: Room, shifts: Shifts | None = None
    ) -> list[NextFields]:  # fmt: skip
        """Those of every branch that begins behind a stretch."""
        ends = zip(layout.ends, layout.stretch.leaves, strict=True)
        return [cls(layout, after, leave, pairs, room, shifts) for after, leave in ends]

    def finish(self) -> Fields:
        """The fields of the next stretch, (pairs, shifts, Q) each, where shifts were seen."""
        found: list[Array] = []
        for total, lost in self._sums:
            self.room.give(lost)
            if self.leave.window is None:
                out = self.room.zeros(self.pairs, 1, self.after.lanes)
                finish_total(total, self.leave.count, out)
                self.room.give(total)
                total = out
            elif self.leave.count > 1:
                for row in self._seen:
                    total[:, self._part(row)] /= self.leave.count
            found.append(total)
        return Fields(found[0], found[1], self.error)

    def join(self, mine: Fields, others: Sequence[tuple[NextFields, Fields]]) -> Fields:
        """The sum of the fields that this one and others have finished, at all shifts."""
        seen, error = set(self._seen), mine.error
        for other, fields in others:
            error = np.maximum(error, fields.error)
            for row in other._seen:
                part = self._part(row)
                for to, values in zip(_arrays(mine), _arrays(fields), strict=True):
                    if row in seen:
                        to[:, part] += values[:, part]
                    else:
                        to[:, part] = values[:, part]
            seen.update(other._seen)
            self.room.give(*_arrays(fields))
        for row in {*_rows(self.after, self.leave, None)} - seen:
            for to in _arrays(mine):
                to[:, self._part(row)] = 0.0
        return mine._replace(error=error)


def _rows(after: Frame, leave: Leave, shifts: Shifts | None) -> Sequence[int]:
    """The rows of the next shifts that an average makes of some shifts."""
    if leave.window is None:
        return (0,)
    if shifts is None:
        return range(after.grid.rows.size)
    first, to = leave.window[0].first, leave.window[0].after
    some = [to[first[row] : first[row + 1]] for row in np.unique(shifts.row)]
    return np.unique(np.concatenate(some)).tolist()


def _arrays(fields: Fields) -> list[Array]:
    """Sigma and Theta, and what else is added up."""
    return [part for part in (fields.sigma, fields.theta, fields.matched) if part is not None]
