"""Rows of the answer: scalar products in, kernels out, compiled.

Nothing depends on the number of threads or on how the rows are shared out, so neither do
the bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.machine import LANES, UNIT, Array
from analytic.pairs.near_layers import NearLayers
from analytic.pairs.near_tiles import NearRoom, NearTiles, fill_near_tile, near_room, no_near_tiles
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.pair_recursion import begin, propagate
from analytic.pairs.term_groups import radii_of_tile
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

__all__ = ["Series", "roundings", "rows_together", "scalar_products", "store"]


_preactivation: Any = compiled(preactivation)

CHAIN = 8
"""Products that are summed one after the other; then these sums, FEATURES features at a time."""
FEATURES = 128


def roundings(features: int) -> int:
    """The largest number of roundings of a product in ``scalar_products``.

    Its own, those of the sums it is part of (the first of a sum is no rounding), and of the
    quotient.
    """
    together = min(features, FEATURES)
    sums = min(features, CHAIN) + -(-together // CHAIN) + -(-features // FEATURES) - 3
    return 1 + sums + (math.frexp(features)[0] != 0.5)


@compiled
def scalar_products(t: Tile, data: Data, row: int, end: int, lane: int) -> None:
    """sigma becomes <x, x'>/d, summed in one fixed order: see ``CHAIN``."""
    total, part, x, xt = t.sigma, t.x, data.x, data.xt
    for start in range(0, xt.shape[0], FEATURES):
        target = total if start == 0 else part
        for k in range(start, min(start + FEATURES, xt.shape[0]), CHAIN):
            _dot_eight(x, xt, row, end, k, lane, k == start, target)
        if start > 0:
            for m in range(end - row):
                for j in range(LANES):
                    total[m, j] += part[m, j]
    for m in range(end - row):
        for j in range(LANES):
            total[m, j] /= data.features


@compiled
def _dot_eight(
    x: Any, xt: Any, row: int, end: int, k: int, lane: int, fresh: bool, total: Any
) -> None:
    """Add the products of eight features."""
    stop = lane + LANES
    t = (
        xt[k, lane:stop],
        xt[k + 1, lane:stop],
        xt[k + 2, lane:stop],
        xt[k + 3, lane:stop],
        xt[k + 4, lane:stop],
        xt[k + 5, lane:stop],
        xt[k + 6, lane:stop],
        xt[k + 7, lane:stop],
    )
    for m in range(end - row):
        i = row + m
        r0, r1, r2, r3 = x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3]
        r4, r5, r6, r7 = x[i, k + 4], x[i, k + 5], x[i, k + 6], x[i, k + 7]
        r = (r0, r1, r2, r3, r4, r5, r6, r7)
        for j in range(LANES):
            value = 0.0
            for c in range(8):
                value += r[c] * t[c][j]
            total[m, j] = value if fresh else total[m, j] + value


@compiled
def _finish(t: Tile, output: Any, row: int, end: int, lane: int, own: bool, kind: int) -> int:
    """x becomes the kernel of a kind, NaN for the pairs left out; returns their number.

    Of the same inputs (``own``) only the pairs i < j count.
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
                if t.left[m, j]:
                    value[m, j] = np.nan
                    lost += not own or lane + j > row + m
    return lost


@compiled
def store(
    t: Tile, block: RowBlock, row: int, end: int, lane: int, stop: int, own: bool, out: Any
) -> None:
    """Write x to out[i - shift, j], for j > i only if ``own``, and to out[j, i] if ``mirror``.

    Whole rows and columns of a tile have loops of known length, which compile well.
    """
    for m in range(end - row):
        value, target = t.x[m], out[row + m - block.shift, lane:stop]
        first = max(row + m + 1 - lane, 0) if own else 0
        if first == 0 and stop - lane == LANES:
            for j in range(LANES):
                target[j] = value[j]
        else:
            for j in range(first, stop - lane):
                target[j] = value[j]
    if block.mirror:
        for j in range(max(lane, row + 1), stop):
            column, target = t.x[:, j - lane], out[j, row:end]
            if end <= j and end - row == ROWS:
                for m in range(ROWS):
                    target[m] = column[m]
            else:
                for m in range(min(end, j) - row):
                    target[m] = column[m]


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
        near: the first layers of large inputs, where these are many.
        tiles: the same for whole tiles.
    """

    plan: Program
    rows: InputTables
    columns: InputTables
    behind: Program | None = None
    near: NearLayers | None = None
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
        return _fill_rows(
            self.plan, back, tile, self.rows, self.columns, self.tiles, room, data, block, bound
        )


@compiled
def _store_bounds(
    t: Tile, p: Program, block: RowBlock, row: int, end: int, lane: int, stop: int, bound: Any
) -> None:
    """Write the bounds of the rows of a tile, or those of its pairs."""
    width, shares = t.error.shape[2], p.bounds.in_kernel
    nngp, ntk = block.nngp.size > 0, block.ntk.size > 0
    for m in range(end - row):
        for j in range(min(width, stop - lane)):
            column = lane // LANES if width == 1 else lane + j
            bound[row + m, column] = bound_of_kernels(t, m, j, shares, nngp, ntk) + UNIT


MANY = 0.25
"""The share of the pairs of a tile that the first layer leaves out, from which on tables take all:
a listed pair costs as much as some four of a tile."""


@compiled
def _fill_rows(
    p: Program, back: Program, tile: Tile, rows: InputTables, columns: InputTables, near: NearTiles,
    room: NearRoom, data: Data, block: RowBlock, bound: Any
) -> Any:  # fmt: skip
    """The rows of a block; returns (most terms, pairs left out)."""
    k = max(block.nngp.shape[1], block.ntk.shape[1])
    terms = left = lost = 0
    for first in range(block.row, block.end, ROWS):
        last = min(first + ROWS, block.end)
        coef = rows.table[:, first:last].T.copy()
        for lane in range((first // LANES) * LANES if data.own else 0, k, LANES):
            stop = min(lane + LANES, k)
            scalar_products(tile, data, first, last, lane)
            start, plan = 0, p
            if _has_many_near(tile, p, rows, columns, near, first, last, lane, stop):
                start, plan = near.tables.shape[0], back
            begin(tile, plan.bounds, first, last, lane, data.own)
            if start > 0:
                fill_near_tile(near, room, tile, data, first, last, lane, stop)
            used = propagate(plan, tile, rows, coef, columns, first, last, lane, start)
            terms = max(terms, used)
            _store_bounds(tile, plan, block, first, last, lane, stop, bound)
            for kind in range(2):
                out = block.ntk if kind else block.nngp
                if out.size > 0:
                    lost = _finish(tile, p.output, first, last, lane, data.own, kind)
                    store(tile, block, first, last, lane, stop, data.own, out)
            left += lost
    return terms, left


@compiled
def _has_many_near(
    t: Tile, p: Program, rows: InputTables, columns: InputTables, near: NearTiles, row: int,
    end: int, lane: int, stop: int,
) -> bool:  # fmt: skip
    """Whether the first layer leaves out many pairs of a tile, and tables serve all its inputs.

    Its sigma holds <x, x'>/d.
    """
    if near.tables.shape[0] == 0:
        return False
    weight, bias, count = p.weight[0], p.bias[0], 0
    radius = radii_of_tile(p.bounds, row, end, lane)[0, -1]
    for m in range(end - row):
        scale = rows.inverse[0, row + m]
        for j in range(LANES):
            rho = (weight * t.sigma[m, j] + bias) * (scale * columns.inverse[0, lane + j])
            count += abs(rho) > radius
    served = near.row_served[row:end].all() and near.column_served[lane:stop].all()
    return bool(served) and count > MANY * (end - row) * (stop - lane)
