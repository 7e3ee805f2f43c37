r"""Pairs of images on their way through a network, stretch by stretch.

Some fields at a time, as many as the cache holds, go through the layers of a stretch and are added
to the fields of the next one: between two stretches there is only what an average or a stride
leaves, and before the first one nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from analytic.images.field_averages import add_total, add_window, finish_total
from analytic.images.field_expectations import SERIES, FieldLayer
from analytic.images.field_layer import carry_errors, enter, leave
from analytic.images.fields import Pairing, Shifts, Taps, products, window_sums
from analytic.images.lane_tables import Tables
from analytic.images.shifts import Scatter
from analytic.images.stretch_layouts import Layout, run_room
from analytic.images.unit_norms import NormTables
from analytic.machine import LANES, Array, aligned
from analytic.recursion import AVERAGING, Average, Bounds

__all__ = [
    "Fields",
    "Layers",
    "NextFields",
    "PairedImages",
    "Propagation",
    "Room",
]


class Fields(NamedTuple):
    """Sigma and Theta of pairs of images at some shifts, (F, Q), and errors (2, pairs).

    Defects have three errors (``analytic.recursion.chord_errors``), and ``matched`` behind an
    average (``analytic.images.next_defects``).
    """

    sigma: Array
    theta: Array
    error: Array
    matched: Array | None = None


class Room:
    """Memory that is used again and again by one thread."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[Array]] = {}

    def take(self, *shape: int) -> Array:
        """An array with anything in it."""
        free = self._free.get(shape)
        return free.pop() if free else aligned(*shape)

    def zeros(self, *shape: int) -> Array:
        found = self.take(*shape)
        found[:] = 0.0
        return found

    def give(self, *arrays: Array) -> None:
        for array in arrays:
            self._free.setdefault(array.shape, []).append(array)


Layers = Mapping[int, tuple[FieldLayer, Bounds]]
"""Weight layers and their bounds, by their numbers in the network."""


class PairedImages(NamedTuple):
    """The first and the second images of the pairs: tables, and pixels (images, channels, Q)."""

    rows: Tables | NormTables
    columns: Tables | NormTables
    x: Array
    y: Array


class Propagation:
    """The propagation of some pairs: what does not change on it.

    Args:
        layers: the layers and their bounds, by their numbers in the network.
        paired: the images.
        pairing: the pairs.
        room: memory of the thread.
    """

    def __init__(self, layers: Layers, paired: PairedImages, pairing: Pairing, room: Room) -> None:
        self.layers, self.paired, self.pairing, self.room = layers, paired, pairing, room
        self.pairs = len(pairing.row)
        self.terms = 0
        self.widest = np.empty(0)

    def alone(self, room: Room) -> Propagation:
        """The same for another thread."""
        return Propagation(self.layers, self.paired, self.pairing, room)

    def averaged(self, layout: Layout, factor: Average, error: Array) -> Array:
        """The errors where a stretch begins that the averages ``factor`` lead to."""
        return (error + AVERAGING) * [[factor.sigma], [factor.theta]]

    def target(self, number: int, layout: Layout, after: Layout) -> NextFields:
        """Where the fields of stretch ``number`` are added up."""
        return NextFields(layout, after, self.pairs)

    def behind(self, number: int, layout: Layout, after: Layout, entry: Fields) -> Fields:
        """The fields behind the end of stretch ``number``."""
        return entry

    def start(self, layout: Layout, shifts: Shifts, error: Array) -> Fields:
        """Scalar products, and no Theta."""
        size, room = shifts.row.size, self.room
        sigma = room.take(self.pairs * size, layout.lanes)
        theta = room.zeros(self.pairs * size, layout.lanes)
        moved, sums = room.take(self.paired.y.shape[1], layout.lanes), room.take(layout.lanes)
        runs = run_room(layout)
        scratch = (runs, moved, sums)
        products(self.paired.x, self.paired.y, self.pairing, shifts, layout.shape, scratch, sigma)
        room.give(moved, sums)
        return Fields(sigma, theta, error.copy())

    def enter(self, entry: Fields, shifts: int, part: slice, error: Array) -> Fields:
        """Some shifts of a state (pairs, shifts, Q)."""
        size = entry.sigma.shape[2]
        found: list[Array] = []
        for values in entry[:2]:
            chosen = values[:, part]
            out = self.room.take(self.pairs * shifts, size)
            out.reshape(chosen.shape)[:] = chosen
            found.append(out)
        return Fields(found[0], found[1], error.copy())

    def through(self, layout: Layout, shifts: Shifts, fields: Fields) -> Fields:
        """Take fields through the layers of a stretch; they are used up."""
        branches: list[Fields] = []
        for number, (step, window) in enumerate(zip(layout.steps, layout.windows, strict=True)):
            for _ in range(step.opens):
                branches.append(self._copy(fields))
            if window is not None:
                self._summed(layout, shifts, window, fields)
            skipped = branches.pop() if step.closes else None
            self._layer(layout, layout.stretch.first + number, shifts, fields, skipped)
            if skipped is not None:
                self.room.give(*skipped[:2])
        return fields

    def _copy(self, fields: Fields) -> Fields:
        sigma, theta = (self.room.take(*part.shape) for part in fields[:2])
        sigma[:], theta[:] = fields[:2]
        return Fields(sigma, theta, fields.error.copy())

    def _summed(
        self, layout: Layout, shifts: Shifts, window: tuple[Scatter, Taps], fields: Fields
    ) -> None:
        """The sums over windows, in place."""
        line = self.room.zeros(layout.lanes + 2 * layout.shape[1])
        for values in fields[:2]:
            window_sums(*window, shifts, layout.shape, values, line, values)
        self.room.give(line)

    def _layer(
        self, layout: Layout, at: int, shifts: Shifts, fields: Fields, skipped: Fields | None
    ) -> None:
        """The nonlinearity, in place."""
        room, (layer, bounds) = self.room, self.layers[at]
        rows, columns = self.paired.rows, self.paired.columns
        assert isinstance(rows, Tables)
        assert isinstance(columns, Tables)
        runs, moved = run_room(layout), room.take(1, layout.lanes)
        group = np.empty((len(fields.sigma), layout.lanes // LANES), dtype=np.int64)
        most = enter(
            layer, bounds.radius[layer.number], rows.lines(at), columns.lines(at), self.pairing,
            shifts, layout.shape, (runs, moved), fields.sigma, fields.theta, group,
        )  # fmt: skip
        tables = rows.lane_tables(at, most + 1), columns.lane_tables(at, most + 1)
        size, depth = shifts.row.size, tables[1].table.shape[2]
        other, lines, buffers = (room.take(count, LANES) for count in (depth, 4, 6))
        every = np.empty((size, *runs.shape), dtype=np.int64)
        counts = np.empty((2, size), dtype=np.int64)
        scratch = (every, counts[0], counts[1], other, lines, buffers)
        none = np.empty((0, 0))
        before = (none, none, none) if skipped is None else skipped
        leave(
            layer, *tables, self.pairing, shifts, layout.shape, scratch, group,
            fields.sigma, fields.theta, before[0], before[1],
        )  # fmt: skip
        last = np.empty(self.pairs, dtype=np.int64)
        carry_errors(bounds, layer.number, shifts.row.size, group, fields.error, before[2], last)
        if layer.form == SERIES:
            self.terms = max(self.terms, int(last.max(initial=0)) + 1)
        room.give(moved, other, lines, buffers)


class NextFields:
    """The fields of the next stretch, to which those of a stretch are added.

    Args:
        layout: the stretch that ends.
        after: the next one.
        pairs: the number of pairs.
    """

    def __init__(self, layout: Layout, after: Layout, pairs: int) -> None:
        assert layout.stretch.leave is not None
        self.layout, self.after, self.leave, self.pairs = layout, after, layout.stretch.leave, pairs
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
