r"""Pairs of images on their way through layers of a x + b |x|, as defects r r' - Sigma.

What differs from ``analytic.images.propagation``: fields hold Phi instead of Sigma up to the last
layer, an average subtracts what it makes of the norms, and the errors are those of chords.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analytic.images.defect_averages import flattened, pooled
from analytic.images.defect_sums import add_defects, add_noise, line_of
from analytic.images.defects import bent_layer, covariances, pixel_defects
from analytic.images.fields import Pairing, Shifts
from analytic.images.grids import Window
from analytic.images.lane_tables import after_average, before_average
from analytic.images.layer_sources import sources
from analytic.images.next_defects import NextDefects, matched_windows
from analytic.images.next_fields import NextFields
from analytic.images.propagation import Fields, Layers, PairedImages, Propagation, Room
from analytic.images.shifts import Index
from analytic.images.stretch_layouts import Frame, Layout, all_shifts, run_room
from analytic.images.unit_norms import NormTables
from analytic.machine import Array
from analytic.network import Network, Shape
from analytic.recursion import AVERAGING, Average, ChordErrors

__all__ = ["DefectPropagation", "Defects", "defects_of", "targets_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Defects:
    """How a network carries defects.

    Attributes:
        sources: positions that every weight layer reads, (filters, positions) each.
        pixels: whether the first layer may have the complement 1 + rho of pixels as well.
        matched: how the average behind each stretch carries pairs of equal places
            (``next_defects.ways``); None where there is none, or that over all positions.
    """

    sources: tuple[Index, ...]
    pixels: bool
    matched: tuple[tuple[Window, ...] | None, ...]

    def goes_on(self, layout: Layout) -> bool:
        """Whether a weight layer follows behind a stretch."""
        return layout.stretch.first + len(layout.steps) < len(self.sources)

    def has_average(self, layout: Layout) -> bool:
        """Whether an average that changes norms stands between a stretch and a weight layer."""
        if not self.goes_on(layout):
            return False
        return layout.stretch.leaves[0].mixes or layout.stretch.leaves[0].kind == "total"


def defects_of(network: Network, layouts: Sequence[Layout], spatial: Shape) -> Defects | None:
    """Those of a network of a x + b |x|, None for any other; where branches are added b >= 0."""
    steps = network.steps
    lines = [line_of(step) for step in steps]
    bends = {np.sign(line[1]) for line in lines if line is not None}
    adds = any(step.closes for step in steps)
    if None in lines or bends == {0.0} or (adds and -1.0 in bends):
        return None
    if any(step.switches and step.averages for step in steps):
        return None
    before = [layout for layout in layouts if layout.stretch.first + len(layout.steps) == 0]
    mixes = any(layout.stretch.leaves[0].mixes for layout in before)
    windows = [
        matched_windows(layout, layout.ends[0], leave) if leave.mixes and leave.window else None
        for layout in layouts[:-1]
        for leave in layout.stretch.leaves[:1]
    ]
    pixels = not mixes and not any(step.opens for step in steps[:1])
    return Defects(sources(network, spatial), pixels, tuple(windows))


class DefectPropagation(Propagation):
    """The propagation of some pairs as defects; errors are those of chords and of Theta.

    Attributes:
        widest: the largest 1 - rho of every layer.
        chords: the errors; None where only values are wanted.
    """

    def __init__(
        self, layers: Layers, paired: PairedImages, pairing: Pairing, room: Room,
        defects: Defects, chords: ChordErrors | None = None,
    ) -> None:  # fmt: skip
        super().__init__(layers, paired, pairing, room)
        self.defects, self.chords = defects, chords
        self.widest = np.zeros(len(defects.sources))

    def alone(self) -> DefectPropagation:
        return DefectPropagation(
            self.layers, self.paired, self.pairing, self.room, self.defects, self.chords
        )

    def _tables(self) -> tuple[NormTables, NormTables]:
        rows, columns = self.paired.rows, self.paired.columns
        assert isinstance(rows, NormTables)
        assert isinstance(columns, NormTables)
        return rows, columns

    def start(self, layout: Layout, shifts: Shifts, error: Array) -> Fields:
        """Phi of the pixels, and Psi if the first layer wants it, else no Theta."""
        size, room = shifts.row.size, self.room
        defect, other = (room.take(self.pairs * size, layout.lanes) for _ in range(2))
        moved = room.take(self.paired.y.shape[1], layout.lanes)
        scratch = run_room(layout), moved
        shape = layout.shape
        pixel_defects(
            self.paired.x, self.paired.y, self.pairing, shifts, shape, scratch, defect, other
        )
        room.give(moved)
        if not self.defects.pixels:
            other[:] = 0.0
        return Fields(defect, other, error.copy())

    def _is_untrained(self, at: int) -> bool:
        return at == 0 and not self.defects.pixels

    def through(self, layout: Layout, shifts: Shifts, entries: Sequence[Fields]) -> Fields:
        """Take fields through the layers of a stretch; behind the last one they are Sigma."""
        fields = super().through(layout, shifts, entries)
        if not layout.steps or self.defects.goes_on(layout):
            return fields
        at = layout.stretch.first + len(layout.steps) - 1
        step, (layer, _) = layout.steps[-1], self.layers[at]
        rows, columns = (table.lines(at)[:, :1] for table in self._tables())
        slope = step.noise * (layer.line + layer.bend)
        if step.closes:
            tables, slope = self._tables(), 1.0
            rows, columns = (table.sums(at, step.closes - 1)[:, :1] for table in tables)
        moved = self.room.take(1, layout.lanes)
        scratch = run_room(layout), moved
        covariances(
            slope, rows, columns, self.pairing, shifts, layout.shape, scratch,
            fields.sigma,
        )  # fmt: skip
        self.room.give(moved)
        error = fields.error if self.chords is None else self.chords.covariances(fields.error)
        return fields._replace(error=error)

    def _layer(
        self, layout: Layout, at: int, shifts: Shifts, fields: Fields, before: Fields | None
    ) -> None:
        """The nonlinearity, in place."""
        room, (layer, _) = self.room, self.layers[at]
        rows, columns = (table.lines(at) for table in self._tables())
        moved, line = room.take(columns.shape[1], layout.lanes), room.take(layout.lanes)
        pixels, widest = self.defects.pixels and at == 0, np.zeros(self.pairs)
        bent_layer(
            layer, pixels, rows, columns, self.pairing, shifts, layout.shape,
            (run_room(layout), moved, line), fields.sigma, fields.theta, widest,
        )  # fmt: skip
        noise = layout.steps[at - layout.stretch.first].noise
        if noise > 1:
            slope = (noise - 1) * (layer.line + layer.bend)
            add_noise(
                slope, rows, columns, self.pairing, shifts, layout.shape,
                (run_room(layout), moved), fields.sigma,
            )  # fmt: skip
        room.give(moved, line)
        if pixels:
            widest[:] = 0.0
        self.widest[at] = max(self.widest[at], widest.max(initial=0.0))
        if self.chords is not None:
            fields.error[:] = self.chords.layer(at, fields.error, widest)
        if before is not None:
            self._add(layout, (at, 0), shifts, before, fields)

    def _add(
        self, layout: Layout, at: tuple[int, int], shifts: Shifts, total: Fields, fields: Fields
    ) -> None:
        """One of the sums that end at a layer, in place."""
        rows, columns = (table.sums(*at) for table in self._tables())
        moved = self.room.take(columns.shape[1], layout.lanes)
        shares = layout.steps[at[0] - layout.stretch.first].shares[at[1]] or (1.0, 1.0)
        add_defects(
            rows, columns, shares, self.pairing, shifts, layout.shape, (run_room(layout), moved),
            total.sigma, total.theta, fields.sigma, fields.theta,
        )  # fmt: skip
        self.room.give(moved)

    def _join(self, at: int, number: int, total: Fields, fields: Fields) -> None:
        """The errors of one of the sums that end at a layer, in place."""
        if self.chords is not None:
            fields.error[:] = self.chords.joined(at, number, total.error, fields.error)

    def averaged(self, layout: Layout, factor: Average, error: Array) -> Array:
        """The errors where a stretch begins that the averages ``factor`` lead to."""
        if not (self.defects.goes_on(layout) or layout.steps):
            return super().averaged(layout, factor, error)
        return np.stack([*error[:2], (error[2] + AVERAGING) * factor.theta])

    def targets(self, number: int, layout: Layout, shifts: Shifts | None) -> list[NextFields]:
        """Where the fields of stretch ``number`` are added up."""
        if not (self.defects.has_average(layout) and layout.stretch.leaves[0].mixes):
            return NextFields.all_of(layout, self.pairs, self.room, shifts)
        rows, columns = (table.lines(before_average(number)) for table in self._tables())
        windows = self.defects.matched[number]
        share = rows, columns
        return [
            NextDefects(layout, layout.ends[0], self.pairing, windows, share, self.room, shifts)
        ]

    def behind(self, number: int, layout: Layout, entry: Fields) -> Fields:
        """Phi and errors behind the average that ends stretch ``number``, in place."""
        if not self.defects.has_average(layout):
            return entry
        leave = layout.stretch.leaves[0]
        rows, columns = (table.lines(after_average(number)) for table in self._tables())
        given = entry.error[:2]
        chord = given[0]
        if not leave.mixes:
            both = self.defects.pixels and layout.stretch.first + len(layout.steps) == 0
            positions = layout.stretch.grid.positions
            flattened(rows, columns, self.pairing, positions, entry.sigma)
            if both:
                flattened(rows, columns, self.pairing, positions, entry.theta)
        else:
            assert self.chords is not None
            error = self.chords.before_average(number, given)
            chord = self._pooled(number, layout.ends[0], entry, error)
        if self.chords is not None:
            entry.error[:2] = self.chords.behind_average(number, given, chord)
        return entry

    def _pooled(self, number: int, after: Frame, entry: Fields, error: Array) -> Array:
        """Means of Phi over windows become Phi; returns eta, (pairs,)."""
        rows, columns = (table.lines(after_average(number)) for table in self._tables())
        moved, worst = self.room.take(columns.shape[1], after.lanes), np.zeros(self.pairs)
        assert entry.matched is not None
        defect, matched = (a.reshape(-1, after.lanes) for a in (entry.sigma, entry.matched))
        pooled(
            rows, columns, self.pairing, all_shifts(after.grid), after.shape,
            (run_room(after), moved), error, matched, defect, worst,
        )  # fmt: skip
        self.room.give(moved)
        return worst


def targets_of(
    propagation: Propagation, number: int, layout: Layout, shifts: Shifts | None = None
) -> list[NextFields]:
    """Where the fields of stretch ``number`` are added up, for every branch that begins behind.

    ``shifts`` are those whose fields will be added, all of them if None.
    """
    if isinstance(propagation, DefectPropagation):
        return propagation.targets(number, layout, shifts)
    return NextFields.all_of(layout, propagation.pairs, propagation.room, shifts)
