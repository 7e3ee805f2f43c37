"""Pairs whose first layer is known, through the layers behind it, compiled."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.late_binding import WHOLE, late
from analytic.machine import LANES, UNIT, aligned
from analytic.pairs.full_tiles import are_dense, fill_tiles
from analytic.pairs.nearly_parallel import NearlyParallel
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.pair_recursion import propagate
from analytic.pairs.row_blocks import Series
from analytic.recursion import InputTables, Program, Tile, new_tile

__all__ = ["behind_first_layer"]

_propagate: Any = late(propagate, WHOLE)

Index = NDArray[np.intp]


def behind_first_layer(
    method: Series, plan: Program, first: NearlyParallel, i: Index, j: Index
) -> NearlyParallel:
    """Take pairs through the layers behind the first one; errors are NaN where these leave them."""
    columns = method.columns
    found = NearlyParallel(*np.empty((3, i.size)))
    i, j = np.ascontiguousarray(i), np.ascontiguousarray(j)  # one type: it is compiled once
    depth = int(plan.opens.sum())
    if are_dense(i, j):
        tile = new_tile(depth, weights=plan.weights)
        fill_tiles(plan, tile, method.rows, columns, i, j, first, found)
        return found
    together = InputTables(
        *(aligned(*part.shape[:-1], LANES, dtype=part.dtype) for part in columns)
    )
    tile = new_tile(depth, rows=1, weights=plan.weights)
    band = columns.band[j] if plan.bands.size else np.zeros_like(j)
    starts = np.append(_groups(i, band), i.size)
    _pairs_behind(plan, tile, method.rows, columns, together, starts, i, j, first, found)
    return found


def _groups(i: Index, band: Index) -> Index:
    """Where groups of at most LANES pairs of the same row and band of columns begin."""
    new = np.flatnonzero(np.append(True, (i[1:] != i[:-1]) | (band[1:] != band[:-1])))
    sizes = np.diff(np.append(new, i.size))
    parts = [range(a, a + n, LANES) for a, n in zip(new.tolist(), sizes.tolist(), strict=True)]
    return np.array([*chain.from_iterable(parts)], dtype=np.intp)


@compiled
def _gather(columns: InputTables, j: Any, first: int, together: InputTables) -> None:
    """Copy the tables of some columns side by side, the last of them as often as there is room.

    Of the coefficients those from row ``first`` on.
    """
    last = j.size - 1
    for source, target, begin in (
        (columns.inverse, together.inverse, 1),
        (columns.narrow, together.narrow, 1),
        (columns.mean, together.mean, 1),
        (columns.table, together.table, first),
        (columns.close, together.close, 0),
    ):
        for row in range(begin, source.shape[0]):
            for lane in range(LANES):
                target[row, lane] = source[row, j[min(lane, last)]]
    together.band[:] = columns.band[j[0]]
    for number in range(columns.junctions.shape[0]):
        for part in range(2):
            for lane in range(LANES):
                target = together.junctions
                target[number, part, lane] = columns.junctions[number, part, j[min(lane, last)]]


@compiled
def _pairs_behind(
    p: Program, t: Tile, rows: InputTables, columns: InputTables, together: InputTables,
    starts: Any, i: Any, j: Any, first: Any, found: Any,
) -> None:  # fmt: skip
    """The rest of the layers for groups of pairs that share a row."""
    known = -1
    coef = np.empty((0, 0))
    for group in range(starts.size - 1):
        start, stop = starts[group], starts[group + 1]
        row, count, lane = i[start], stop - start, j[start]
        side_by_side = j[stop - 1] - lane == count - 1 and lane + LANES <= columns.table.shape[1]
        if not side_by_side:
            _gather(columns, j[start:stop], p.first[1], together)
            lane = 0
        if row != known:
            coef, known = rows.table[:, row : row + 1].T.copy(), row
        for k in range(LANES):
            inside = k < count
            t.sigma[0, k] = first.sigma[start + k] if inside else 0.0
            t.theta[0, k] = first.theta[start + k] if inside else 0.0
            t.left[0, k] = False
        t.departed[0] = False
        for part in range(2):
            t.error[part, 0, 0] = first.error[part, start:stop].max()
        t.error[2, 0, 0] = 1.0
        tables = columns if side_by_side else together
        _propagate(p, t, rows, coef, tables, row, row + 1, lane, 1)
        bound = bound_of_kernels(t, 0, 0, p.bounds.in_kernel, True, True) + UNIT
        for k in range(count):
            found.sigma[start + k], found.theta[start + k] = t.sigma[0, k], t.theta[0, k]
            found.error[start + k] = np.nan if t.left[0, k] else bound
