"""Pairs of a tile whose |rho| is beyond the series of a layer, where another form takes its place.

Their lanes take part in the series at rho = 0, whose value is not used: their number of terms is
that of the other lanes. Compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.expectations import (
    LOGARITHMIC,
    ROWS_TOGETHER,
    TABLE,
    contract,
    low_rank_sums,
)
from analytic.late_binding import late
from analytic.machine import LANES
from analytic.pairs.kink_lanes import BLOCK, WIDTH, append_lanes, fill_kink_lanes
from analytic.recursion import Program, Tile, first_beyond, plain

__all__ = ["fill_close_lanes", "put_close_lanes_aside"]

_plain: Any = elementwise(plain)
_fill_kink_lanes: Any = late(fill_kink_lanes)

MOSTLY = 64
"""Close lanes of one sign from which on all lanes of a row are summed as they stand."""


@compiled
def put_close_lanes_aside(
    t: Tile, p: Program, at: int, rows: int, lane: int, radius: Any, asked: Any, close: Any
) -> None:
    """Keep their Gamma, and give their rows the number of terms of the other lanes.

    Lanes of inputs that a form does not serve, whose last number is 0, are left out.
    """
    top, kind, last = radius[-2], p.close[at, 0], p.close[at, 1] + p.close[at, 5] - 1
    for m in range(rows):
        if t.largest[m] <= top:
            continue
        if kind != TABLE:
            _leave_unserved(t, m, top, asked[last, m], close[last, lane : lane + LANES])
        for j in range(LANES):
            t.kept[m, j] = t.theta[m, j]
        for j in range(LANES):
            t.x[m, j] = 0.0 if abs(t.rho[m, j]) > top else t.x[m, j]
        t.group[m] = first_beyond(radius, np.sqrt(_largest_lane(t.x, m, t.room)))


@elementwise
def _largest_lane(x: Any, m: int, room: Any) -> float:
    """The largest number of a row, none of which is negative, in chains of WIDTH."""
    for k in range(WIDTH):
        room[0, k] = 0.0
    for start in range(0, LANES, WIDTH):
        for k in range(WIDTH):
            room[0, k] = max(room[0, k], x[m, start + k])
    largest = 0.0
    for k in range(WIDTH):
        largest = max(largest, room[0, k])
    return largest


@compiled
def _leave_unserved(t: Tile, m: int, top: float, served: float, serves: Any) -> None:
    """Give up the close lanes of a row of which an input is not served."""
    for j in range(LANES):
        if abs(t.rho[m, j]) > top and served * serves[j] == 0.0:
            t.left[m, j] = True
            t.departed[m] = True
            t.rho[m, j] = 0.0
            t.x[m, j] = 0.0


@compiled
def fill_close_lanes(
    t: Tile, p: Program, at: int, rows: int, lane: int, radius: Any, asked: Any, close: Any,
    band_of: Any, band: int,
) -> None:  # fmt: skip
    """Write Sigma and Theta of these lanes: those beyond the same radius.

    Args:
        t: the tile.
        p: the layers.
        at: the number of the layer.
        rows: of the tile.
        lane: its first column in the tables.
        radius: the largest |rho| that each group of terms serves.
        asked: what the form asks of the rows.
        close: the same of all columns.
        band_of: of each row, its band in the tables.
        band: that of the columns.
    """
    top = radius[-2]
    if p.close[at, 0] == TABLE or p.close[at, 0] == LOGARITHMIC:
        m = 0
        while m < rows:
            begin, count = m, 0
            while m < rows and band_of[m] == band_of[begin] and count < ROWS_TOGETHER:
                t.some[count] = m
                count += t.largest[m] > top
                m += 1
            if count > 0:
                numbers = p.bands[p.close[at, 4] + band_of[begin] * p.close[at, 6] + band]
                _fill_rows_of_band(t, p, at, lane, top, asked, close, numbers, count)
    else:
        for side in range(2):
            _fill_kink_lanes(t, p, at, rows, side, lane, top, asked, close)
    last = p.bounds.radius.shape[1] - 1
    for m in range(rows):
        if t.largest[m] > top:
            t.group[m] = last


@compiled
def _fill_rows_of_band(
    t: Tile, p: Program, at: int, lane: int, top: float, asked: Any, close: Any, numbers: Any,
    count: int,
) -> None:  # fmt: skip
    """Those of ``count`` rows of one band, by a table; numbers are its rank and place."""
    rank, core = numbers[0], p.core[numbers[1] :]
    sides = _sides(t, count, top)
    contract(core, p.close[at, 3], asked, p.close[at, 1], t.some[:count], sides, t.weights)
    for n in range(count):
        for side in range(sides[0], sides[1]):
            _fill_side(t, p, at, n, side, lane, top, asked, close, rank, core)


@compiled
def _sides(t: Tile, count: int, top: float) -> tuple[int, int]:
    """From which sign of rho to which the close lanes of some rows are: (0, 2) are both."""
    above, below = 0, 0
    for n in range(count):
        m = t.some[n]
        for j in range(LANES):
            above += t.rho[m, j] > top
            below += t.rho[m, j] < -top
    return 0 if above > 0 else 1, 2 if below > 0 else 1


@compiled
def _fill_side(
    t: Tile, p: Program, at: int, n: int, side: int, lane: int, top: float, asked: Any,
    close: Any, rank: int, core: Any,
) -> None:  # fmt: skip
    """Those of the n-th of some rows and one sign of rho, by a table of so many psi.

    Where they are most of the lanes all are summed, and the others kept as they are.
    """
    m, sign, count = t.some[n], 1.0 - 2.0 * side, 0
    for j in range(LANES):
        count += sign * t.rho[m, j] > top
    if count == 0:
        return
    first, most, beside = p.close[at, 1], p.close[at, 2], p.close[at, 5] - p.close[at, 2]
    own, small = t.own[: rank + beside], t.sums[0]
    for b in range(rank + beside):
        own[b] = asked[first + _place(b, rank, most), m]
    if count >= MOSTLY:
        for i in range(LANES):
            small[i] = min(1.0 - sign * t.rho[m, i], 1.0)
        for b in range(rank + beside):
            row = first + _place(b, rank, most)
            for i in range(LANES):
                t.sums[3 + b, i] = close[row, lane + i]
        _sum_lanes(t, p, at, n, side, own, core, LANES)
        for j in range(LANES):
            if sign * t.rho[m, j] > top:
                _leave(t, m, j, t.sums[1, j], t.sums[2, j])
        return
    append_lanes(t.rho, t.lanes, m, sign, top, 0, 0, LANES)
    width = BLOCK * -(-count // BLOCK)
    for i in range(width):
        t.close[i] = t.lanes[min(i, count - 1)] - m * LANES
        small[i] = 1.0 - abs(t.rho[m, t.close[i]])
    for b in range(rank + beside):
        row = first + _place(b, rank, most)
        for i in range(width):
            t.sums[3 + b, i] = close[row, lane + t.close[i]]
    _sum_lanes(t, p, at, n, side, own, core, width)
    for i in range(count):
        _leave(t, m, t.close[i], t.sums[1, i], t.sums[2, i])


@compiled
def _sum_lanes(
    t: Tile, p: Program, at: int, n: int, side: int, own: Any, core: Any, width: int
) -> None:
    """E and D of ``width`` pairs of the n-th row, whose numbers stand in ``sums``."""
    phi, room = t.sums[3 : 3 + own.size], t.sums[3 + own.size :]
    low_rank_sums(
        t.weights, n, side, core[: p.close[at, 3]], p.close[at, 0], p.scale[at], own, phi,
        t.sums[0, :width], room, t.sums[1], t.sums[2],
    )  # fmt: skip


@elementwise
def _place(b: int, rank: int, most: int) -> int:
    """The row of what is asked: psi that are not used stand between those that are and the rest."""
    return b if b < rank else most + b - rank


@compiled
def _leave(t: Tile, m: int, j: int, e: float, d: float) -> None:
    """Write what was found."""
    t.x[m, j] = t.rho[m, j] * t.rho[m, j]
    t.sigma[m, j], t.theta[m, j] = _plain(e, d, t.kept[m, j])
