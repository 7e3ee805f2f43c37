r"""Pairs of images on their way through a network, stretch by stretch.

Some fields at a time, as many as the cache holds, go through the layers of a stretch and are added
to the fields of the next one: between two stretches there is only what an average or a stride
leaves, and before the first one nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from analytic.images.field_expectations import SERIES, FieldLayer
from analytic.images.field_layer import carry_errors, enter, leave
from analytic.images.field_sums import add_branch, join_errors
from analytic.images.fields import Pairing, Shifts, Taps, products, taps, window_sums
from analytic.images.lane_tables import Tables, lanes
from analytic.images.shifts import Index, Scatter
from analytic.images.stretches import Grid, Stretch
from analytic.machine import LANES, Array, aligned
from analytic.network import Network, Step
from analytic.recursion import Bounds

__all__ = [
    "Fields",
    "Layout",
    "PairedImages",
    "Propagation",
    "Room",
    "all_shifts",
    "batches",
    "layouts",
]

FIELDS = 2**22
"""Bytes of the fields that go through the layers together."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """A stretch laid out for the compiled code.

    Attributes:
        stretch: the stretch.
        steps: its weight layers.
        shape: (H, W, images side by side).
        lanes: Q.
        windows: the sums before its layers, None where there is nothing to sum up.
        flow: its layers for the walk: branches that begin with the stretch are not opened in it.
    """

    stretch: Stretch
    steps: tuple[Step, ...]
    shape: tuple[int, int, int]
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
    return Layout(stretch, steps, (height, width, copies), size, windows, flow)


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


class Fields(NamedTuple):
    """Sigma and Theta of pairs of images at some shifts, (F, Q), and errors (2, pairs)."""

    sigma: Array
    theta: Array
    error: Array


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


class PairedImages(NamedTuple):
    """The first and the second images of the pairs: tables, and pixels (images, channels, Q)."""

    rows: Tables
    columns: Tables
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

    def __init__(
        self,
        layers: Mapping[int, tuple[FieldLayer, Bounds]],
        paired: PairedImages,
        pairing: Pairing,
        room: Room,
    ) -> None:
        self.layers, self.paired, self.pairing, self.room = layers, paired, pairing, room
        self.pairs = len(pairing.row)
        self.terms = 0

    def start(self, layout: Layout, shifts: Shifts, error: Array) -> Fields:
        """Scalar products, and no Theta."""
        size, room = shifts.row.size, self.room
        sigma = room.take(self.pairs * size, layout.lanes)
        theta = room.zeros(self.pairs * size, layout.lanes)
        moved, sums = room.take(self.paired.y.shape[1], layout.lanes), room.take(layout.lanes)
        runs = _runs(layout)
        scratch = (runs, moved, sums)
        products(self.paired.x, self.paired.y, self.pairing, shifts, layout.shape, scratch, sigma)
        room.give(moved, sums)
        return Fields(sigma, theta, error.copy())

    def enter(
        self, entries: Sequence[Fields], shifts: int, part: slice, error: Array
    ) -> list[Fields]:
        """Some shifts of states (pairs, shifts, Q), one for each branch that begins."""
        found: list[Fields] = []
        for entry in entries:
            sigma, theta = (self._entered(values[:, part], shifts) for values in entry[:2])
            found.append(Fields(sigma, theta, error.copy()))
        return found

    def _entered(self, chosen: Array, shifts: int) -> Array:
        out = self.room.take(self.pairs * shifts, chosen.shape[2])
        out.reshape(chosen.shape)[:] = chosen
        return out

    def through(self, layout: Layout, shifts: Shifts, entries: Sequence[Fields]) -> Fields:
        """Take fields through the layers of a stretch, one for each branch; they are used up."""
        fields, *aside = entries
        aside.reverse()
        for at, (step, window) in enumerate(
            zip(layout.flow, layout.windows, strict=True), layout.stretch.first
        ):
            if step.switches:
                fields, aside[-1] = aside[-1], fields
            for _ in range(step.opens):
                aside.append(self._copy(fields))
            if window is not None:
                self._summed(layout, shifts, window, fields)
            before = [aside.pop() for _ in range(step.closes)]
            self._layer(layout, at, shifts, fields, before[0] if before else None)
            for number, total in enumerate(before):
                self._add(layout, (at, number), shifts, total, fields)
                self.room.give(*total[:2])
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
        self, layout: Layout, at: int, shifts: Shifts, fields: Fields, before: Fields | None
    ) -> None:
        """The nonlinearity, in place, and what is added to the branches before."""
        room, (layer, bounds) = self.room, self.layers[at]
        rows, columns = self.paired.rows, self.paired.columns
        runs, moved = _runs(layout), room.take(1, layout.lanes)
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
        total = (none, none) if before is None else before[:2]
        leave(
            layer, *tables, self.pairing, shifts, layout.shape, scratch, group,
            fields.sigma, fields.theta, *total,
        )  # fmt: skip
        last = np.empty(self.pairs, dtype=np.int64)
        carry_errors(bounds, layer.number, shifts.row.size, group, fields.error, last)
        if layer.form == SERIES:
            self.terms = max(self.terms, int(last.max(initial=0)) + 1)
        room.give(moved, other, lines, buffers)

    def _add(
        self, layout: Layout, at: tuple[int, int], shifts: Shifts, total: Fields, fields: Fields
    ) -> None:
        """One of the sums that end at a layer, in place; its first one has been taken there."""
        (layer, bounds), (_, number) = self.layers[at[0]], at
        if number:
            rows, columns = (
                tables.lane_tables(at[0], 0).junctions[number]
                for tables in (self.paired.rows, self.paired.columns)
            )
            moved = self.room.take(2, layout.lanes)
            add_branch(
                rows, columns, self.pairing, shifts, layout.shape, (_runs(layout), moved),
                total.sigma, total.theta, fields.sigma, fields.theta,
            )  # fmt: skip
            self.room.give(moved)
        join_errors(bounds, layer.number, number, total.error, fields.error)


def _runs(layout: Layout) -> Index:
    """Room for the pieces of an image that moves."""
    height, _, copies = layout.shape
    return np.empty((2 * (height * copies + layout.lanes // LANES) + 2, 3), dtype=np.int64)
