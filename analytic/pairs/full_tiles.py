"""Pairs whose first layer is known, through the layers behind it in whole tiles, compiled.

Where nearly all pairs of some rows are asked for (tables that nobody scaled) a tile costs a tenth
of groups that share a row: its rows share the coefficients of the columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled, elementwise
from analytic.late_binding import WHOLE, late
from analytic.machine import LANES, UNIT
from analytic.pairs.nearly_parallel import NearlyParallel
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.pair_recursion import propagate
from analytic.recursion import ROWS, InputTables, Program, Tile

__all__ = ["are_dense", "fill_tiles"]

_propagate: Any = late(propagate, WHOLE)

Index = NDArray[np.intp]
DENSE = 0.25
"""The share of the places of tiles from which on these are quicker."""


def are_dense(i: Index, j: Index) -> bool:
    """Whether pairs, sorted by rows, are many of those between their rows and columns."""
    if i.size == 0:
        return False
    rows, columns = int(i[-1] - i[0]) + 1, int(j.max() - j.min()) + 1
    return i.size >= DENSE * max(rows, ROWS) * max(columns, LANES)


@compiled
def fill_tiles(
    p: Program, t: Tile, rows: InputTables, columns: InputTables, i: Any, j: Any,
    first: NearlyParallel, found: NearlyParallel,
) -> None:  # fmt: skip
    """Sigma, Theta and bounds of pairs, sorted by rows and columns; NaN where they are left out.

    Args:
        p: the layers.
        t: room for a tile.
        rows: the tables of the rows.
        columns: the tables of the columns.
        i: rows of the pairs.
        j: their columns.
        first: Sigma, Theta and their errors behind the first layer.
        found: where the answer is written.
    """
    begin = 0
    while begin < i.size:
        row, stop = i[begin], begin
        while stop < i.size and i[stop] < row + ROWS:
            stop += 1
        end = i[stop - 1] + 1
        coef = rows.table[:, row:end].T.copy()
        here, ends = _ends_of_rows(i, begin, stop)
        lowest, highest = j[begin:stop].min(), j[begin:stop].max()
        for lane in range(lowest - lowest % LANES, highest + 1, LANES):
            starts = here
            here, some = _stops(j, starts, ends, lane + LANES)
            if some:
                _enter(t, first, j, starts, here, lane)
                _propagate(p, t, rows, coef, columns, row, end, lane, 1)
                _leave(t, p, j, starts, here, lane, found)
        begin = stop


@compiled
def _ends_of_rows(i: Any, begin: int, stop: int) -> Any:
    """Where the pairs of each row begin and end."""
    places = np.full(i[stop - 1] - i[begin] + 2, begin)
    for q in range(begin, stop):
        places[i[q] - i[begin] + 1 :] = q + 1
    return places[:-1].copy(), places[1:].copy()


@compiled
def _stops(j: Any, starts: Any, ends: Any, beyond: int) -> Any:
    """Where the pairs of each row end whose columns are below ``beyond``, and if there are any."""
    found, some = starts.copy(), False
    for m in range(starts.size):
        while found[m] < ends[m] and j[found[m]] < beyond:
            found[m] += 1
            some = True
    return found, some


@elementwise
def _enter(t: Tile, first: NearlyParallel, j: Any, starts: Any, stops: Any, lane: int) -> None:
    """Write the pairs into a tile, others as uncorrelated; a row has its largest errors."""
    t.sigma[:, :] = 0.0
    t.theta[:, :] = 0.0
    t.left[:, :] = False
    t.departed[:] = False
    t.error[:2] = 0.0
    t.error[2] = 1.0
    for m in range(starts.size):
        for q in range(starts[m], stops[m]):
            t.sigma[m, j[q] - lane], t.theta[m, j[q] - lane] = first.sigma[q], first.theta[q]
            for part in range(2):
                t.error[part, m, 0] = max(t.error[part, m, 0], first.error[part, q])


@elementwise
def _leave(t: Tile, p: Program, j: Any, starts: Any, stops: Any, lane: int, found: Any) -> None:
    """Read the pairs of a tile."""
    for m in range(starts.size):
        bound = bound_of_kernels(t, m, 0, p.bounds.in_kernel, True, True) + UNIT
        for q in range(starts[m], stops[m]):
            k = j[q] - lane
            found.sigma[q], found.theta[q] = t.sigma[m, k], t.theta[m, k]
            found.error[q] = np.nan if t.left[m, k] else bound
