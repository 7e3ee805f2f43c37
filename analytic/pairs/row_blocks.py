"""Rows of the answer: scalar products in, kernels out, compiled.

Nothing depends on the number of threads or on how the rows are shared out, so neither do
the bits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.late_binding import WHOLE, late
from analytic.machine import LANES, UNIT, Array
from analytic.pairs.input_products import scalar_products
from analytic.pairs.near_layers import NearLayers
from analytic.pairs.near_states import NearRoom, NearTiles, near_room, no_near_tiles
from analytic.pairs.near_tiles import fill_near_tile
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.pair_recursion import begin, propagate
from analytic.pairs.rays import Rays
from analytic.pairs.stored_tiles import store
from analytic.pairs.term_groups import largest_sizes
from analytic.pairs.wide_inputs import WideInputs
from analytic.recursion import (
    ROWS,
    Data,
    InputTables,
    Program,
    RowBlock,
    Tile,
    new_tile,
    preactivation,
)
from analytic.vector_blocks import settled

__all__ = ["Series", "rows_together"]

_preactivation: Any = elementwise(preactivation)
_propagate: Any = late(propagate, WHOLE)
_fill_near_tile: Any = late(fill_near_tile)


@elementwise
def _finish(
    t: Tile, output: Any, row: int, end: int, lane: int, own: bool, kind: int, known: Any, out: Any
) -> int:
    """x becomes the kernel of a kind, NaN for the pairs left out; returns their number.

    Of the same inputs (``own``) only the pairs i < j count. Pairs that are known before stand in
    ``out``, whose first entry is the first of the tile, and are left out of the tile.
    """
    value, lost = t.x, 0
    weight, bias, rate, bias_rate = output[0], output[1], output[2], output[3]
    for m in range(end - row):
        for j in range(LANES):
            nngp, _, ntk = _preactivation(
                t.sigma[m, j], t.theta[m, j], weight, bias, rate, bias_rate
            )
            value[m, j] = ntk if kind else nngp
        if t.departed[m]:
            for j in range(LANES):
                if known[m, j]:
                    value[m, j] = out[m, j]
                elif t.left[m, j]:
                    value[m, j] = np.nan
                    lost += not own or lane + j > row + m
    return lost


ROW_BLOCK = 128
"""Most rows that one thread takes at a time."""


def rows_together(n: int) -> int:
    """Rows of a block: enough blocks to keep all threads busy."""
    return min(ROW_BLOCK, max(ROWS, n // 16 - n // 16 % ROWS))


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The method for any inputs: the recursion, by series in rho at every layer.

    Attributes:
        plan: the layers and their error bounds.
        rows: the tables of the rows.
        columns: the tables of the columns.
        behind: for pairs that the first layer leaves out and that come back behind it, if they may.
        near: how pairs that are left out of tiles of large inputs go through the first layers.
        tiles: those layers for whole tiles.
    """

    plan: Program
    rows: InputTables
    columns: InputTables
    behind: Program | None = None
    near: tuple[NearLayers | WideInputs | Rays, ...] = ()
    tiles: NearTiles = field(default_factory=no_near_tiles)

    @property
    def error(self) -> float:
        return self.plan.bounds.error

    @property
    def diagonal(self) -> float:
        return self.plan.bounds.diagonal

    @property
    def diagonals(self) -> Array:
        """The same for each row, (n,), or one for all, (1,)."""
        bounds = self.plan.bounds
        classes = bounds.rows
        return (
            bounds.diagonals[bounds.kinds[classes, classes]] if classes.size else bounds.diagonals
        )

    @property
    def bytes(self) -> int:
        both = (self.rows,) if self.rows is self.columns else (self.rows, self.columns)
        return sum(array.nbytes for tables in both for array in tables)

    def step(self, n: int) -> int:
        return rows_together(n)

    def fill(self, data: Data, block: RowBlock, bound: Array) -> tuple[int, int]:
        """See ``Method``; pairs whose |rho| exceeds the ceiling are NaN."""
        by_pair = bound.shape[1] == max(block.nngp.shape[1], block.ntk.shape[1])
        tile = new_tile(int(self.plan.opens.sum()), by_pair, weights=self.plan.weights)
        room, back = near_room(self.tiles), self.behind or self.plan
        work = _Work(self.plan, back, self.rows, self.columns, self.tiles, room, data, block, bound)
        return _fill_rows(work, tile)


@elementwise
def _store_bounds(
    t: Tile, p: Program, block: RowBlock, row: int, end: int, lane: int, stop: int, known: Any,
    bound: Any
) -> None:  # fmt: skip
    """Write the bounds of the rows of a tile, or those of its pairs, but for what is known."""
    width, shares = t.error.shape[2], p.bounds.in_kernel
    nngp, ntk = block.nngp.size > 0, block.ntk.size > 0
    for m in range(end - row):
        for j in range(min(width, stop - lane)):
            column = lane // LANES if width == 1 else lane + j
            found = bound_of_kernels(t, m, j, shares, nngp, ntk) + UNIT
            if width == 1 and t.departed[m] and known[m].any():
                found = max(found, bound[row + m, column])
            if width == 1 or not known[m, j]:
                bound[row + m, column] = found


MANY = 0.25
"""The share of the pairs of a tile that the first layer leaves out, from which on tables take all:
a listed pair costs as much as some four of a tile."""


class _Work(NamedTuple):
    """What all tiles of a block of rows share."""

    plan: Program
    back: Program  # for pairs that tables take through the first layers
    rows: InputTables
    columns: InputTables
    near: NearTiles
    room: NearRoom
    data: Data
    block: RowBlock
    bound: Any  # of the answer, (rows, columns or tiles)


@compiled
def _fill_rows(w: _Work, tile: Tile) -> Any:
    """The rows of a block; returns (most terms, pairs left out)."""
    coefs = w.rows.table[:, w.block.row : w.block.end].T.copy()
    found = _fill_tiles(w, tile, coefs)
    settled()
    return found


@elementwise
def _fill_tiles(w: _Work, tile: Tile, coefs: Any) -> Any:
    """Tile by tile, all rows before the next columns, whose tables are at hand."""
    row, end, own = w.block.row, w.block.end, w.data.own
    k = max(w.block.nngp.shape[1], w.block.ntk.shape[1])
    terms = left = 0
    for lane in range(row - row % LANES if own else 0, k, LANES):
        for first in range(row, end, ROWS):
            if own and first >= lane + LANES:
                continue
            last = min(first + ROWS, end)
            coef = coefs[first - row : last - row]
            used, lost = _fill_tile(w, tile, coef, first, last, lane, min(lane + LANES, k))
            terms, left = max(terms, used), left + lost
    return terms, left


@elementwise
def _fill_tile(
    w: _Work, tile: Tile, coef: Any, row: int, end: int, lane: int, stop: int
) -> tuple[int, int]:
    """A tile: (most terms, pairs left out). Tables take what they can, the series the rest."""
    p, back, rows, columns, near, room = w.plan, w.back, w.rows, w.columns, w.near, w.room
    data, block, own = w.data, w.block, w.data.own
    lost, used, tabulated = 1, 0, near.tables.shape[0] > 0
    scalar_products(tile, data, row, end, lane)
    if tabulated:
        room.known[:, :] = False
    if _has_many_near(tile, p, rows, columns, near, row, end, lane, stop):
        begin(tile, back.bounds, row, end, lane, own)
        _fill_near_tile(near, room, tile, data, row, end, lane, stop)
        start = near.tables.shape[0]
        used = _propagate(back, tile, rows, coef, columns, row, end, lane, start)
        _leave_unsure(tile, back, block, end - row, p.bounds.error)
        lost = _write(tile, back, block, row, end, lane, stop, own, room, w.bound)
        if lost > 0:
            _remember(tile, room.known, end - row, stop - lane)
            scalar_products(tile, data, row, end, lane)
    if lost > 0:
        begin(tile, p.bounds, row, end, lane, own)
        if tabulated:
            _put_aside(tile, room.known)
        used = max(used, _propagate(p, tile, rows, coef, columns, row, end, lane, 0))
        lost = _write(tile, p, block, row, end, lane, stop, own, room, w.bound)
    return used, lost


@elementwise
def _leave_unsure(t: Tile, p: Program, block: RowBlock, rows: int, most: float) -> None:
    """Leave out the pairs whose bound exceeds that of the series, or their rows.

    Tables have one error for all inputs; there are other ways for those that feel it most.
    """
    width, nngp, ntk = t.error.shape[2], block.nngp.size > 0, block.ntk.size > 0
    for m in range(rows):
        for j in range(width):
            if bound_of_kernels(t, m, j, p.bounds.in_kernel, nngp, ntk) <= most:
                continue
            t.departed[m] = True
            for k in range(LANES if width == 1 else 1):
                t.left[m, j + k] = True


@elementwise
def _remember(t: Tile, known: Any, rows: int, lanes: int) -> None:
    """Which pairs of a tile are not left out."""
    for m in range(rows):
        for j in range(lanes):
            known[m, j] = not t.left[m, j]


@elementwise
def _put_aside(t: Tile, known: Any) -> None:
    """Leave out of a tile the pairs that are known."""
    for m in range(known.shape[0]):
        for j in range(LANES):
            t.left[m, j] = t.left[m, j] or known[m, j]
            t.departed[m] = t.departed[m] or known[m, j]


@elementwise
def _write(
    t: Tile, p: Program, block: RowBlock, row: int, end: int, lane: int, stop: int, own: bool,
    room: NearRoom, bound: Any
) -> int:  # fmt: skip
    """The kernels of a tile and their bounds; returns how many pairs are left out."""
    lost = 0
    _store_bounds(t, p, block, row, end, lane, stop, room.known, bound)
    for kind in range(2):
        out = block.ntk if kind else block.nngp
        if out.size > 0:
            stored = out[row - block.shift :, lane:]
            lost = _finish(t, p.output, row, end, lane, own, kind, room.known, stored)
            store(t, block, row, end, lane, stop, own, out)
    return lost


@elementwise
def _has_many_near(
    t: Tile, p: Program, rows: InputTables, columns: InputTables, near: NearTiles, row: int,
    end: int, lane: int, stop: int,
) -> bool:  # fmt: skip
    """Whether the first layer leaves out many pairs of a tile whose inputs tables serve.

    Its sigma holds <x, x'>/d.
    """
    if near.tables.shape[0] == 0:
        return False
    weight, bias, count = p.weight[0], p.bias[0], 0
    size, size_ = largest_sizes(p.bounds, row, end, lane)
    radius = p.bounds.radius[0, -1] if size < 0 else p.bounds.sizes[size, size_, 0, -1]
    for m in range(end - row):
        scale = rows.inverse[0, row + m]
        for j in range(LANES):
            rho = (weight * t.sigma[m, j] + bias) * (scale * columns.inverse[0, lane + j])
            count += abs(rho) > radius and near.row_served[row + m] and near.column_served[lane + j]
    return count > MANY * (end - row) * (stop - lane)
