r"""Kernels of images: blocks of pairs of images, all the way through the network.

A block of R first images and as many second ones, or panels of small images side by side, goes
through the network (``analytic.images.propagation``) with their tables, which are made when they
are needed and kept while there is room. Rows and columns of an image with few positions are told
apart: a row stands in its panel again and again, so that all lanes are at work.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from analytic.images.defect_propagation import DefectPropagation, Defects, targets_of
from analytic.images.field_expectations import FieldLayer
from analytic.images.fields import CHANNELS, Pairing, Shifts
from analytic.images.image_groups import (
    KEPT_TABLES,
    Blocking,
    Shelf,
    blocking,
    strip_rows,
)  # fmt: skip
from analytic.images.lane_tables import compiled_layer
from analytic.images.next_fields import NextFields
from analytic.images.pairs_of_blocks import (
    block_pairs,
    pairing_of,
    store_pairs,
    unwanted_lanes,
)  # fmt: skip
from analytic.images.planning import Planned, Plans, chord_errors, plan_images
from analytic.images.propagation import Fields, PairedImages, Propagation, Room
from analytic.images.stretch_layouts import FIELDS, Layout, all_shifts, batches, layouts
from analytic.images.stretches import network_stretches, put, taken
from analytic.machine import UNIT, Array, cores
from analytic.network import Coefficients, Network
from analytic.recursion import (
    GROUP,
    Average,
    Bounds,
    ChordErrors,
    Cost,
    Data,
    Diagonal,
    ErrorPropagation,
    Problem,
    RowBlock,
    certify,
    in_kernels,
)

__all__ = ["Images", "image_roundings", "prepare_images"]

SHARES = 4
"""Shares of the shifts of a block that are added up apart, by as many threads."""


def image_roundings(channels: int) -> int:
    """The most roundings of a product over channels: its own, of sums and of the quotient."""
    sums = min(channels, CHANNELS) + -(-channels // CHANNELS) - 2
    return 1 + sums + (math.frexp(channels)[0] != 0.5)


@dataclass(slots=True, eq=False)
class Images:
    """The method for images (``analytic.recursion.problem.Method``).

    Attributes:
        layouts: the stretches, for panels.
        blocks: how many images go together.
        rows: the first images.
        columns: the second ones.
        layers: the layers, and their bounds.
        bounds: the error bounds.
        averages: those before every layer and, last, before the readout.
        growth: of small differences of the images.
        output: the coefficients of the readout, and what it rounds.
        defects: how they are carried, and their errors; None for covariances.
        errors: those of covariances.
        shared: whether the shifts of a block are shared out to threads if there are few blocks.
    """

    layouts: tuple[Layout, ...]
    blocks: Blocking
    rows: Shelf
    columns: Shelf
    layers: dict[int, tuple[FieldLayer, Bounds]]
    bounds: Bounds
    averages: tuple[Average, ...]
    growth: float
    output: tuple[Coefficients, float]
    errors: ErrorPropagation
    defects: tuple[Defects, ChordErrors] | None = None
    shared: bool = True
    _room: Room = field(init=False, default_factory=Room)

    @property
    def error(self) -> float:
        return self.bounds.error if self.defects is None else self.defects[1].error

    @property
    def diagonal(self) -> float:
        return self.bounds.diagonal if self.defects is None else self.defects[1].diagonal

    def costs(self, bound: float) -> list[Cost]:
        """What the operations of the network make of errors."""
        return self.errors.costs(bound) if self.defects is None else self.defects[1].costs

    def step(self, n: int) -> int:
        return self.blocks.strip

    @property
    def bytes(self) -> int:
        """Room for the fields of a thread and for the tables that are kept."""
        held = sum(layout.bytes_between for layout in self.layouts[1:])
        return 2 * FIELDS + held * self.blocks.size * self.blocks.panels + KEPT_TABLES

    def tables_made(self, n: int, k: int, own: bool) -> float:
        """How many images' tables are made for so many images, some of them again and again.

        The sizes are those of the tables that have been made so far.
        """
        images = k if own and self.rows is self.columns else n + k
        if images * self.columns.bytes_each <= KEPT_TABLES:
            return images
        strips = -(-n // strip_rows(self.blocks.size, n))
        return n + k * strips / (2 if own else 1)

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
        """See ``analytic.recursion.problem.Method``; no pair is left out."""
        size, copies = self.blocks.size, self.blocks.copies
        k, terms = max(block.nngp.shape[1], block.ntk.shape[1]), 0
        inner = self.shared and len(data.x) < 2 * cores() * self.blocks.strip
        rows = range(block.row, block.end, size)
        strip = [self.rows.group(row // self.rows.size) for row in rows]
        width = self.columns.size * copies
        for column in range(block.row - block.row % width if data.own else 0, k, width):
            columns = self.columns.group(column // width)
            for row, group in zip(rows, strip, strict=True):
                stop = min(row + size, block.end)
                pairs = block_pairs(row, stop, column, copies, len(columns.x), k, data.own)
                if len(pairs) == 0:
                    continue
                place = row, column, copies, k, data.own
                blank = unwanted_lanes(pairs, place, data.x.shape[1], self.layouts[0].lanes)
                paired = PairedImages(group.tables, columns.tables, group.x, columns.x, blank)
                pairing = pairing_of(pairs, len(columns.x), row % self.rows.size)
                state, used = self._propagate(paired, pairing, inner)
                terms = max(terms, used)
                store_pairs(state, self.output, pairs, place, block, bound)
        return GROUP * terms, 0

    def _propagate(self, paired: PairedImages, pairing: Pairing, inner: bool) -> tuple[Fields, int]:
        """A block from the input to the readout: fields (pairs, copies)."""
        pairs = len(pairing.row)
        error = np.zeros((2, pairs))
        error[0] = self.bounds.start
        if self.defects is not None:
            error = self.defects[1].start * np.ones((1, pairs))
        propagation = self._start(paired, pairing)
        waiting: list[Fields] = []
        for at, layout in enumerate(self.layouts):
            entries = taken(waiting, layout.stretch)
            if layout.stretch.averaged:
                factor = self.averages[layout.stretch.first]
                behind = propagation.averaged(layout, factor, entries[0].error)
                entries[0] = entries[0]._replace(error=behind)
            shifts = all_shifts(layout.stretch.grid)
            if not layout.stretch.leaves:
                fields = propagation.enter(entries, 1, slice(None))
                fields = propagation.through(layout, shifts, fields)
                copies = layout.shape[2]
                return Fields(
                    fields.sigma[:, :copies], fields.theta[:, :copies], fields.error
                ), propagation.terms
            found = self._stretch(propagation, at, shifts, entries, error, inner)
            for entry in entries:
                self._room.give(entry.sigma, entry.theta, entry.matched)
            found[0] = propagation.behind(at, layout, found[0])
            put(waiting, found, layout.stretch)
        raise AssertionError

    def _start(self, paired: PairedImages, pairing: Pairing) -> Propagation:
        if self.defects is None:
            return Propagation(self.layers, paired, pairing, self._room)
        return DefectPropagation(self.layers, paired, pairing, self._room, *self.defects)

    def _stretch(
        self, propagation: Propagation, at: int, shifts: Shifts, entries: list[Fields],
        error: Array, inner: bool,
    ) -> list[Fields]:  # fmt: skip
        """The fields behind stretch ``at``, (pairs, shifts, Q); ``error`` is that of pixels."""
        layout = self.layouts[at]
        count = shifts.row.size
        edges = np.linspace(0, count, (SHARES if count >= 8 * SHARES else 1) + 1).astype(int)

        def share(number: int) -> tuple[list[NextFields], list[Fields], int]:
            first, last = int(edges[number]), int(edges[number + 1])
            alone = propagation.alone()
            mine = Shifts(*(part[first:last] for part in shifts))
            targets = targets_of(alone, at, layout, mine)
            for part, some in batches(mine, propagation.pairs, layout.lanes):
                if entries:
                    where = slice(first + part.start, first + min(part.stop, last - first))
                    begun = alone.enter(entries, some.row.size, where)
                else:
                    begun = [alone.start(layout, some, error)]
                fields = alone.through(layout, some, begun)
                for target in targets:
                    target.add(some, fields)
                self._room.give(*fields[:2])
            return targets, [target.finish() for target in targets], alone.terms

        if inner and edges.size > 2:
            with ThreadPoolExecutor(cores()) as pool:
                shares = list(pool.map(share, range(edges.size - 1)))
        else:
            shares = [share(number) for number in range(edges.size - 1)]
        whole: list[Fields] = []
        for (target, mine), *others in zip(
            *(zip(*part[:2], strict=True) for part in shares), strict=True
        ):
            whole.append(target.join(mine, others))
        propagation.terms = max(propagation.terms, *(terms for *_, terms in shares))
        return whole


def _errors(planned: Planned, channels: int, rounding: float) -> ErrorPropagation:
    """Those of covariances."""
    start, shares = image_roundings(channels) * UNIT, (1.0, 1.0, rounding)
    nearest = [min(float(rho) + 2.0**-30, 1.0) for rho in planned.nearest]  # it errs by less
    return ErrorPropagation(planned.layers, planned.readout, start, 0.0, shares, nearest)


def prepare_images(
    network: Network,
    x: Array,
    y: Array | None,
    tolerance: float,
    *,
    spatial: tuple[int, ...],
    tight: bool = False,
) -> Problem:
    """Plan the kernel of images and fix its error bound.

    Args:
        network: the description.
        x: images, shape (n, positions, channels).
        y: other images, or None for x itself.
        tolerance: the promise.
        spatial: the shape of the images.
        tight: see ``analytic.recursion.certificate.certify``.
    """
    own, network = y is None, network.summed(len(spatial))
    images = x if y is None else np.concatenate([x, y])
    cut = network_stretches(network, spatial)
    alone = layouts(network, cut, 1)
    n, k = len(x), len(x if y is None else y)
    blocks = blocking(alone, n, k)
    plans = Plans(network, alone, images, spatial, together=blocks.whole)
    planned = plan_images(plans, 0.0 if tight else tolerance)
    ends = Diagonal(
        tuple(planned.dearest), planned.sigma, planned.theta, planned.readout,
        output=network.output.coefficients,
    )  # fmt: skip
    *_, rounding = in_kernels(ends)
    errors = _errors(planned, x.shape[2], rounding)
    bounds = certify(planned.layers, tolerance, errors.start, tight=tight, whole=True, chain=errors)
    wide = alone if blocks.copies == 1 else layouts(network, cut, blocks.copies)
    layers = {
        at: compiled_layer(layer.step, at, bounds, layer.terms)
        for at, layer in enumerate(planned.layers)
    }
    copies, lanes = blocks.copies, wide[0].lanes
    first = 0 if own else n
    panels = first + np.minimum(np.arange(-(-k // copies) * copies), k - 1).reshape(-1, copies)
    columns = Shelf(plans, layers, panels, blocks.panels, lanes)
    tiled = np.repeat(np.arange(n)[:, None], copies, axis=1)
    rows = columns if own and copies == 1 else Shelf(plans, layers, tiled, blocks.rows, lanes)
    averages = (*(layer.average for layer in planned.layers), planned.readout)
    known = {at: (layer, bounds) for at, layer in layers.items()}
    defects = plans.defects and (plans.defects, chord_errors(plans, planned, x.shape[2], rounding))
    output = network.output.coefficients, rounding
    method = Images(
        wide, blocks, rows, columns, known, bounds, averages, planned.growth, output, errors,
        defects,
    )  # fmt: skip
    return Problem(network, x, x if y is None else y, own, ends, method)
