r"""Kernels of images: blocks of R x C pairs of images, all the way through the network.

A block goes from layer to layer (``analytic.images.patches``) with the tables of its R + C images,
which are made when they are needed and kept while there is room.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytic.images.patches import CHANNELS, State, advance, average, products
from analytic.images.planning import Plans, plan_images
from analytic.images.position_order import Ways, network_ways
from analytic.images.position_pairs import Layout, Reading
from analytic.images.table_cache import KEPT, TABLES, Rows, Sheet, Sheets
from analytic.machine import LANES, UNIT, Array, aligned
from analytic.network import Network
from analytic.pairs import ROW_BLOCK
from analytic.recursion import (
    AVERAGING,
    ROWS,
    Average,
    Data,
    Diagonal,
    Problem,
    Program,
    RowBlock,
    Tile,
    certify,
    new_tile,
    program,
)

__all__ = ["Images", "image_roundings", "prepare_images"]

Index = NDArray[np.intp]

STATE = 2**22
"""Bytes of Sigma of one block between two layers."""


def image_roundings(channels: int) -> int:
    """The largest number of roundings of a product over channels."""
    return min(channels, CHANNELS) + -(-channels // CHANNELS) + 1


def block_shape(pairs: Layout, n: int, k: int, image: int) -> tuple[int, int, int]:
    """(R, C, rows of a strip) for n rows and k columns; R and C are powers of two.

    Every lane should be at work: they are filled by columns, and by pairs of positions that
    follow each other where averages need those. Some strips should be left for all threads.
    Tables that cannot be kept should serve many rows.

    Args:
        pairs: the pairs of positions.
        n: rows.
        k: columns.
        image: bytes of the tables of an image.
    """
    room = max(STATE // (8 * pairs.most), 1)
    mixes = pairs.most > 4 * max(part.layer.after.positions for part in pairs.parts)
    most = max(k // 2, 1) if mixes else k
    fits = max(TABLES // image, 1)
    columns = _power(min(LANES, 1 << (most - 1).bit_length(), max(room // 8, 1), fits))
    few = max(fits // 4, 1)  # rows take room twice
    rows = _power(min(ROWS, max(room // columns, 1), max(n // 8, 2 if mixes else 1), few))
    strip = rows if k * image <= KEPT else max(min(ROW_BLOCK, few) // rows, 1) * rows
    return rows, columns, strip


def _power(size: int) -> int:
    """The largest power of two that is not larger."""
    return 1 << (size.bit_length() - 1)


@dataclass(slots=True, eq=False)
class Images:
    """The method for images (``analytic.recursion.problem.Method``).

    Attributes:
        sheets: the tables of the images.
        ways: the order in which the blocks go through the network.
        plan: the layers and their error bounds.
        averages: those before every layer and, last, before the readout.
        rows: R.
        strip: rows that share the tables of their columns, a multiple of R.
    """

    sheets: Sheets
    ways: Ways
    plan: Program
    averages: tuple[Average, ...]
    rows: int
    strip: int

    @property
    def error(self) -> float:
        return self.plan.bounds.error

    @property
    def diagonal(self) -> float:
        return self.plan.bounds.diagonal

    def step(self, n: int) -> int:
        return self.strip

    @property
    def bytes(self) -> int:
        """Room for the states of a thread and for the tables that are kept."""
        layout, block = self.ways.layout, self.rows * self.ways.columns
        return 16 * (len(layout.parts) + 2) * layout.most * block + KEPT

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
        """See ``analytic.recursion.problem.Method``; no pair is left out."""
        room, tile, terms = _Room(), new_tile(1), 0
        width, k = self.ways.columns, max(block.nngp.shape[1], block.ntk.shape[1])
        starts = range(block.row, block.end, self.rows)
        strip = [
            (row, self.sheets.rows(row, min(row + self.rows, block.end), data.own))
            for row in starts
        ]
        for column in range(block.row - block.row % width if data.own else 0, k, width):
            columns = self.sheets.columns(column, k)
            for row, rows in strip:
                if data.own and column + width <= row:
                    continue
                state, used = self._propagate(rows, columns, tile, room)
                terms = max(terms, used)
                _store(state, row, column, k, data.own, block)
                _raise(bound, row, column, state.error)
                room.give(state)
        return terms, 0

    def _propagate(self, rows: Rows, columns: Sheet, tile: Tile, room: _Room) -> tuple[State, int]:
        """A block from the input to the readout."""
        ways, terms = self.ways, 0
        layout, width = ways.layout, ways.columns
        state = room.take(len(rows.x), len(layout.input) * width)
        products(tile, ways.start, rows.x, columns.xt, width, 0, state.sigma)
        state.theta[:] = 0.0
        state.error[:] = [[self.plan.bounds.start], [0.0]]
        branches: list[State] = []
        none = np.empty(0, dtype=np.int64)
        for at, (step, part) in enumerate(
            zip(self.sheets.plans.network.steps, layout.parts, strict=True)
        ):
            state = self._average(at, part.averages, state, room)
            branches += [state] * step.opens
            skipped, skip = (branches.pop(), part.skip) if step.closes else (state, none)
            after = room.take(len(rows.x), len(part.layer.after) * width)
            used = advance(
                self.plan, at, tile, ways.layers[at], skip, state, skipped, rows.side,
                rows.coef, 0, columns.side, 0, width, after,
            )  # fmt: skip
            terms = max(terms, used)
            for old in {id(a): a for a in (state, skipped)}.values():
                if not any(old is branch for branch in branches):
                    room.give(old)
            state = after
        return self._average(len(layout.parts), layout.readout, state, room), 8 * terms

    def _average(self, at: int, readings: tuple[Reading, ...], state: State, room: _Room) -> State:
        """The averages before a layer, and what they do to the errors."""
        width = self.ways.columns
        for reading, runs in zip(readings, self.ways.averages[at], strict=True):
            after = room.take(len(state.sigma), len(reading.after) * width)
            count = reading.sources.shape[1]
            average(runs, count, width, state.sigma, after.sigma)
            average(runs, count, width, state.theta, after.theta)
            after.error[:] = state.error
            room.give(state)
            state = after
        if readings:
            factor = self.averages[at]
            state.error[:] = (state.error + AVERAGING) * [[factor.sigma], [factor.theta]]
        return state


class _Room:
    """States that are used again."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, int], list[State]] = {}

    def take(self, rows: int, size: int) -> State:
        free = self._free.setdefault((rows, size), [])
        if free:
            return free.pop()
        return State(aligned(rows, size), aligned(rows, size), np.zeros((2, rows)))

    def give(self, state: State) -> None:
        self._free[state.sigma.shape].append(state)  # type: ignore[index]


def _store(state: State, row: int, column: int, k: int, own: bool, block: RowBlock) -> None:
    """Write a block of the answer; of the same images only the pairs i < j."""
    values = {"nngp": state.sigma, "ntk": state.sigma + state.theta}
    stop = min(column + state.sigma.shape[1], k)
    for kind, out in (("nngp", block.nngp), ("ntk", block.ntk)):
        if out.size == 0:
            continue
        for i, line in enumerate(values[kind], row):
            first = max(column, i + 1) if own else column
            if first < stop:
                part = line[first - column : stop - column]
                out[i - block.shift, first:stop] = part
                if block.mirror:
                    out[first:stop, i] = part


def _raise(bound: Array, row: int, column: int, error: Array) -> None:
    """Raise the bounds of the rows to the errors of a block."""
    place = bound[row : row + error.shape[1], column // LANES]
    np.maximum(place, error.max(axis=0) + UNIT, out=place)


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
    own = y is None
    images = x if y is None else np.concatenate([x, y])
    own_ways = network_ways(network, spatial, 1)
    plans = Plans(network, own_ways, images)
    planned = plan_images(plans, 0.0 if tight else tolerance)
    bounds = certify(
        planned.layers, tolerance, image_roundings(x.shape[2]) * UNIT,
        tight=tight, whole=True, readout=planned.readout,
    )  # fmt: skip
    image = 8 * sum(
        layer.terms * part.layer.after.positions
        for layer, part in zip(planned.layers, own_ways.layout.parts, strict=True)
    )
    k = len(x if y is None else y)
    rows, columns, strip = block_shape(own_ways.layout, len(x), k, image)
    order = network_ways(network, spatial, columns)
    averages = (*(layer.average for layer in planned.layers), planned.readout)
    plan = program(network.steps, bounds)
    sheets = Sheets(plans, plan, columns, 0 if own else len(x))
    method = Images(sheets, order, plan, averages, rows, strip)
    ends = Diagonal((), planned.sigma, planned.theta, planned.readout)
    return Problem(network, x, x if y is None else y, own, ends, method)
