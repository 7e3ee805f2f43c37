r"""Kernels of images: blocks of R x C pairs of images, all the way through the network.

A block goes from layer to layer (``analytic.patches``) with the tables of its R + C images,
which are made when they are needed and kept while there is room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.certificate import AVERAGING, certify
from analytic.duals import LANES, UNIT
from analytic.images import image_diagonal
from analytic.network import Network
from analytic.patches import CHANNELS, State, advance, average, products
from analytic.planning import plan_images
from analytic.positions import Layout, Reading, layout
from analytic.problem import Problem
from analytic.recursion import Average, Diagonal
from analytic.strips import Block, Data
from analytic.tables import ROWS, Program, Side, Tile, aligned, new_tile, program, side
from analytic.walks import Chunks, Runs, Walk, average_runs, chunks, walk

__all__ = ["Images", "image_roundings", "prepare_images"]

Array = NDArray[np.float64]

STATE = 2**22
"""Bytes of Sigma of one block between two layers."""
KEPT = 2**27
"""Bytes of tables that are kept."""


def image_roundings(channels: int) -> int:
    """The largest number of roundings of a product over channels."""
    return min(channels, CHANNELS) + -(-channels // CHANNELS) + 1


def block_shape(pairs: int, images: int) -> tuple[int, int]:
    """(R, C), powers of two: many columns, since a row's coefficients meet all of them."""
    room = max(STATE // (8 * pairs), 1)
    most = 1 << (images - 1).bit_length()
    columns = min(LANES, most, max(room // 8, 1))
    rows = min(ROWS, max(room // columns, 1), max(images // 8, 1))
    return 1 << (rows.bit_length() - 1), 1 << (columns.bit_length() - 1)


class Sheet(NamedTuple):
    """Some images as rows or columns of a block, position by position."""

    x: Array  # (images, positions, channels)
    xt: Array  # (channels, positions x images and more)
    side: Side
    coef: Array  # coefficients, (positions x images, coefficients)


class _Ways(NamedTuple):
    """How the blocks go through the network."""

    start: Chunks
    layers: tuple[Walk, ...]
    averages: tuple[tuple[Runs, ...], ...]
    readout: tuple[Runs, ...]


@dataclass(slots=True, eq=False)
class Images:
    """The method for images (``analytic.problem.Method``).

    Attributes:
        network: the description.
        layout: its pairs of positions.
        plan: the layers and their error bounds.
        averages: those before every layer and, last, before the readout.
        rows: R; a strip of rows is one block high.
        columns: C.
    """

    network: Network
    layout: Layout
    plan: Program
    averages: tuple[Average, ...]
    rows: int
    columns: int
    _ways: _Ways = field(init=False)
    _kept: dict[int, Sheet] = field(init=False, default_factory=dict[int, Sheet])

    def __post_init__(self) -> None:
        self._ways = _Ways(
            chunks(self.layout.input, self.columns),
            tuple(walk(part.layer, self.columns) for part in self.layout.parts),
            tuple(tuple(map(average_runs, part.averages)) for part in self.layout.parts),
            tuple(map(average_runs, self.layout.readout)),
        )

    @property
    def error(self) -> float:
        return self.plan.bounds.error

    @property
    def diagonal(self) -> float:
        return self.plan.bounds.diagonal

    def step(self, n: int) -> int:
        return self.rows

    @property
    def bytes(self) -> int:
        """Room for the states of a thread and for the tables that are kept."""
        states = 8 * 2 * (len(self.layout.parts) + 2) * self.layout.most * self.rows * self.columns
        return states + KEPT

    def fill(self, data: Data, block: Block, bound: Array) -> tuple[int, int]:
        """See ``analytic.problem.Method``; no pair is left out."""
        room, tile, terms = _Room(), new_tile(1), 0
        k = max(block.nngp.shape[1], block.ntk.shape[1])
        for row in range(block.row, block.end, self.rows):
            rows = self._sheet(data.x[row : min(row + self.rows, block.end)])
            first = row - row % self.columns if data.own else 0
            for column in range(first, k, self.columns):
                columns = self._column_sheet(data.xt, column)
                state, used = self._propagate(rows, columns, tile, room)
                terms = max(terms, used)
                _store(state, row, column, k, data.own, block)
                _raise(bound, row, column, state.error)
                room.give(state)
        return terms, 0

    def _propagate(self, rows: Sheet, columns: Sheet, tile: Tile, room: _Room) -> tuple[State, int]:
        """A block from the input to the readout."""
        size, terms = len(rows.x), 0
        width = len(columns.x)
        state = room.take(size, len(self.layout.input) * width)
        products(tile, self._ways.start, rows.x, columns.xt, width, 0, state.sigma)
        state.theta[:] = 0.0
        state.error[:] = [[self.plan.bounds.start], [0.0]]
        branches: list[State] = []
        none = np.empty(0, dtype=np.int64)
        for at, (step, part) in enumerate(zip(self.network.steps, self.layout.parts, strict=True)):
            state = self._average(at, part.averages, self._ways.averages[at], state, width, room)
            branches += [state] * step.opens
            skipped, skip = (branches.pop(), part.skip) if step.closes else (state, none)
            after = room.take(size, len(part.layer.after) * width)
            used = advance(
                self.plan, at, tile, self._ways.layers[at], skip, state, skipped, rows.side,
                rows.coef, 0, columns.side, 0, width, after,
            )  # fmt: skip
            terms = max(terms, used)
            for old in {id(a): a for a in (state, skipped)}.values():
                if not any(old is branch for branch in branches):
                    room.give(old)
            state = after
        last = len(self.layout.parts)
        return self._average(
            last, self.layout.readout, self._ways.readout, state, width, room
        ), 8 * terms

    def _average(
        self,
        at: int,
        readings: Sequence[Reading],
        ways: Sequence[Runs],
        state: State,
        width: int,
        room: _Room,
    ) -> State:
        """The averages before a layer, and what they do to the errors."""
        for reading, runs in zip(readings, ways, strict=True):
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

    def _column_sheet(self, y: Array, column: int) -> Sheet:
        """The tables of C columns; they are kept while there is room."""
        found = self._kept.get(column)
        if found is None:
            found = self._sheet(_filled(y[column : column + self.columns], self.columns))
            size = sum(table.nbytes for table in found.side) + found.coef.nbytes
            if size * (len(self._kept) + 1) <= KEPT:
                self._kept[column] = found
        return found

    def _sheet(self, x: Array) -> Sheet:
        """The tables of some images."""
        n, positions, channels = x.shape
        state = image_diagonal(self.network, self.layout, x)
        inputs: list[slice | NDArray[np.int64]] = [
            np.arange(stage.variance.size).reshape(n, -1).T.ravel() for stage in state.stages
        ]
        tables = side(state, self.plan, inputs, LANES)
        xt: Array = aligned(channels, positions * n + LANES)
        xt[:, : positions * n] = x.transpose(2, 1, 0).reshape(channels, -1)
        return Sheet(np.ascontiguousarray(x), xt, tables, np.ascontiguousarray(tables.table.T))


def _filled(x: Array, size: int) -> Array:
    """So many images; the last one is repeated."""
    return x[np.minimum(np.arange(size), len(x) - 1)]


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


def _store(state: State, row: int, column: int, k: int, own: bool, block: Block) -> None:
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
        tight: see ``analytic.certificate.certify``.
    """
    own = y is None
    images = x if y is None else np.concatenate([x, y])
    pairs = layout(network, spatial)
    tail = 16 * UNIT if tight else max(1e-3 * tolerance, 16 * UNIT)
    planned = plan_images(network, pairs, images, tail)
    bounds = certify(
        planned.layers, tolerance, image_roundings(x.shape[2]) * UNIT,
        tight=tight, whole=True, readout=planned.readout,
    )  # fmt: skip
    rows, columns = block_shape(pairs.most, len(x if y is None else y))
    averages = (*(layer.average for layer in planned.layers), planned.readout)
    method = Images(network, pairs, program(network.steps, bounds), averages, rows, columns)
    ends = Diagonal((), planned.sigma, planned.theta, planned.readout)
    return Problem(network, x, x if y is None else y, own, ends, method)
