r"""Pairs of images on their way through a network, stretch by stretch.

Some fields at a time, as many as the cache holds, go through the layers of a stretch and are added
to the fields of the next one: between two stretches there is only what an average or a stride
leaves, and before the first one nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from analytic.images.field_expectations import SERIES, FieldLayer
from analytic.images.field_layer import carry_errors, enter, leave
from analytic.images.field_sums import add_branch, join_errors
from analytic.images.fields import Pairing, Shifts, Taps, products, window_sums
from analytic.images.lane_tables import Tables
from analytic.images.shifts import Index, Scatter
from analytic.images.stretch_layouts import Layout, run_room
from analytic.images.unit_norms import NormTables
from analytic.machine import CACHE_LINE, LANES, Array
from analytic.recursion import Average, Bounds

__all__ = ["Fields", "Layers", "PairedImages", "Propagation", "Room", "Unwanted"]


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
    """Memory that is used again and again, whatever its shape; threads may share it."""

    def __init__(self) -> None:
        self._free: dict[int, list[NDArray[np.uint8]]] = {}

    def take(self, *shape: int) -> Array:
        """An array with anything in it, which begins on a cache line."""
        size = 8 * math.prod(shape)
        capacity = (1 << (size - 1).bit_length()) + CACHE_LINE
        try:
            raw = self._free[capacity].pop()
        except LookupError:
            raw = np.empty(capacity, dtype=np.uint8)
        start = -raw.ctypes.data % CACHE_LINE
        return raw[start : start + size].view(np.float64).reshape(shape)

    def zeros(self, *shape: int) -> Array:
        found = self.take(*shape)
        found[:] = 0.0
        return found

    def give(self, *arrays: Array | None) -> None:
        """Arrays that have been taken here, whole."""
        for array in arrays:
            if array is not None:
                raw = cast("NDArray[np.uint8]", array.base)
                self._free.setdefault(raw.size, []).append(raw)


Layers = Mapping[int, tuple[FieldLayer, Bounds]]
"""Weight layers and their bounds, by their numbers in the network."""


class Unwanted(NamedTuple):
    """Pairs with lanes that nobody asks for: their numbers, and 0 there, 1 else, (some, 1, Q)."""

    pairs: Index
    kept: Array


class PairedImages(NamedTuple):
    """The first and the second images of the pairs: tables, and pixels (images, channels, Q)."""

    rows: Tables | NormTables
    columns: Tables | NormTables
    x: Array
    y: Array
    unwanted: Unwanted | None = None


class Propagation:
    """The propagation of some pairs: what does not change on it.

    Args:
        layers: the layers and their bounds, by their numbers in the network.
        paired: the images.
        pairing: the pairs.
        room: memory.
    """

    def __init__(
        self, layers: Layers, paired: PairedImages, pairing: Pairing, room: Room
    ) -> None:  # fmt: skip
        self.layers, self.paired, self.pairing, self.room = layers, paired, pairing, room
        self.pairs = len(pairing.row)
        self.terms = 0
        self.widest = np.empty(0)
        self.nearest: dict[int, float] = {}

    def alone(self) -> Propagation:
        """The same for another thread."""
        return Propagation(self.layers, self.paired, self.pairing, self.room)

    def averaged(self, layout: Layout, factor: Average, error: Array) -> Array:
        """The errors where a stretch begins that the averages ``factor`` lead to."""
        return (error + factor.rounding) * [[factor.sigma], [factor.theta]]

    def behind(self, number: int, layout: Layout, entry: Fields) -> Fields:
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
        if self.paired.unwanted is not None:
            some, kept = self.paired.unwanted
            sigma.reshape(self.pairs, size, -1)[some] *= kept
        return Fields(sigma, theta, error.copy())

    def enter(self, entries: Sequence[Fields], shifts: int, part: slice) -> list[Fields]:
        """Some shifts of states (pairs, shifts, Q) that enter a stretch."""
        found: list[Fields] = []
        for entry in entries:
            sigma, theta = (self._entered(values[:, part], shifts) for values in entry[:2])
            found.append(Fields(sigma, theta, entry.error.copy()))
        return found

    def _entered(self, chosen: Array, shifts: int) -> Array:
        out = self.room.take(self.pairs * shifts, chosen.shape[2])
        out.reshape(chosen.shape)[:] = chosen
        return out

    def through(self, layout: Layout, shifts: Shifts, entries: Sequence[Fields]) -> Fields:
        """Take fields through the layers of a stretch, with those that wait; they are used up."""
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
                self._summed(layout, shifts, window, fields[: 2 - self._is_untrained(at)])
            before = [aside.pop() for _ in range(step.closes)]
            stays = step.passes and step.noise == 1.0
            if not stays:
                self._layer(layout, at, shifts, fields, before[0] if before else None)
            for number, total in enumerate(before):
                if number or stays:
                    self._add(layout, (at, number), shifts, total, fields)
                self._join(at, number, total, fields)
                self.room.give(*total[:2])
        return fields

    def _is_untrained(self, at: int) -> bool:
        """Whether Theta is 0 at all pairs before a layer."""
        return at == 0

    def _copy(self, fields: Fields) -> Fields:
        sigma, theta = (self.room.take(*part.shape) for part in fields[:2])
        sigma[:], theta[:] = fields[:2]
        return Fields(sigma, theta, fields.error.copy())

    def _summed(
        self, layout: Layout, shifts: Shifts, window: tuple[Scatter, Taps], fields: Sequence[Any]
    ) -> None:
        """The sums over windows, in place."""
        line = self.room.zeros(layout.lanes + 2 * layout.shape[1])
        for values in fields:
            window_sums(*window, shifts, layout.shape, values, line, values)
        self.room.give(line)

    def _layer(
        self, layout: Layout, at: int, shifts: Shifts, fields: Fields, before: Fields | None
    ) -> None:
        """The nonlinearity, in place, and what is added to the branches before."""
        room, (layer, bounds) = self.room, self.layers[at]
        rows, columns = self._lane_tables()
        runs, moved = run_room(layout), room.take(1, layout.lanes)
        group = np.empty((len(fields.sigma), layout.lanes // LANES), dtype=np.int64)
        most_rho = np.empty(self.pairs)
        most = enter(
            layer, bounds.radius[layer.number], rows.lines(at), columns.lines(at), self.pairing,
            shifts, layout.shape, (runs, moved), fields.sigma, fields.theta, group, most_rho,
        )  # fmt: skip
        self.nearest[at] = max(self.nearest.get(at, 0.0), float(most_rho.max()))
        tables = rows.lane_tables(at, most + 1), columns.lane_tables(at, most + 1)
        size, depth = shifts.row.size, tables[1].table.shape[2]
        other, lines, buffers = (room.take(*shape, LANES) for shape in ((1, 1, depth), (5,), (6,)))
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
        carry_errors(bounds, layer.number, shifts.row.size, group, most_rho, fields.error, last)
        if layer.form == SERIES:
            self.terms = max(self.terms, int(last.max(initial=0)) + 1)
        room.give(moved, other, lines, buffers)

    def _lane_tables(self) -> tuple[Tables, Tables]:
        rows, columns = self.paired.rows, self.paired.columns
        assert isinstance(rows, Tables)
        assert isinstance(columns, Tables)
        return rows, columns

    def _add(
        self, layout: Layout, at: tuple[int, int], shifts: Shifts, total: Fields, fields: Fields
    ) -> None:
        """One of the sums that end at a layer, in place, unless the layer has taken it."""
        layer, number = at
        rows, columns = (
            tables.lane_tables(layer, 0).junctions[number] for tables in self._lane_tables()
        )
        moved = self.room.take(2, layout.lanes)
        shares = layout.steps[layer - layout.stretch.first].shares[number] or (1.0, 1.0)
        add_branch(
            rows, columns, shares, self.pairing, shifts, layout.shape,
            (run_room(layout), moved), total.sigma, total.theta, fields.sigma, fields.theta,
        )  # fmt: skip
        self.room.give(moved)

    def _join(self, at: int, number: int, total: Fields, fields: Fields) -> None:
        """The errors of one of the sums that end at a layer, in place."""
        layer, bounds = self.layers[at]
        join_errors(bounds, layer.number, number, total.error, fields.error)
