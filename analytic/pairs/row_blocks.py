"""Rows of the answer: scalar products in, kernels out, compiled.

Nothing depends on the number of threads or on how the rows are shared out, so neither do
the bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from analytic.compilation import borrowing, compiled
from analytic.machine import LANES, UNIT, Array
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.pair_recursion import begin, propagate
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


_preactivation: Any = borrowing(preactivation)

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


@borrowing
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


@borrowing
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


@borrowing
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


@borrowing
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
    """

    plan: Program
    rows: InputTables
    columns: InputTables
    behind: Program | None = None

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
        return _fill_rows(self.plan, tile, self.rows, self.columns, data, block, bound)


@borrowing
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


@compiled
def _fill_rows(
    p: Program, tile: Tile, rows: InputTables, columns: InputTables, data: Data, block: RowBlock,
    bound: Any
) -> Any:  # fmt: skip
    """The rows of a block; returns (most terms, pairs left out)."""
    k = max(block.nngp.shape[1], block.ntk.shape[1])
    terms = left = lost = 0
    for first in range(block.row, block.end, ROWS):
        last = min(first + ROWS, block.end)
        coef = rows.table[:, first:last].T.copy()
        for lane in range((first // LANES) * LANES if data.own else 0, k, LANES):
            scalar_products(tile, data, first, last, lane)
            begin(tile, p.bounds, first, last, lane, data.own)
            used = propagate(p, tile, rows, coef, columns, first, last, lane, 0)
            terms = max(terms, used)
            stop = min(lane + LANES, k)
            _store_bounds(tile, p, block, first, last, lane, stop, bound)
            for kind in range(2):
                out = block.ntk if kind else block.nngp
                if out.size > 0:
                    lost = _finish(tile, p.output, first, last, lane, data.own, kind)
                    store(tile, block, first, last, lane, stop, data.own, out)
            left += lost
    return terms, left
