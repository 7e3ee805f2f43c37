"""Pairs of a tile whose |rho| is beyond the series of a layer, where another form takes its place.

Their lanes take part in the series at rho = 0, whose value is not used: their number of terms is
that of the other lanes. Compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations import (
    LOGARITHMIC,
    OF_D,
    OF_E,
    PARTS,
    ROWS_TOGETHER,
    TABLE,
    argument_in,
    contract,
    low_rank_sums,
    places_of,
    sides_in,
    sort_by_keys,
)
from analytic.expectations import LOW_RANK_BLOCK as EACH
from analytic.late_binding import late
from analytic.machine import LANES
from analytic.pairs.kink_lanes import fill_kink_lanes
from analytic.pairs.term_groups import largest_of
from analytic.recursion import Program, Tile, first_beyond, plain

__all__ = ["fill_close_lanes", "put_close_lanes_aside"]

_plain: Any = elementwise(plain)
_fill_kink_lanes: Any = late(fill_kink_lanes)


@elementwise
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
        t.group[m] = first_beyond(radius, np.sqrt(largest_of(t.x[m])))


@elementwise
def _leave_unserved(t: Tile, m: int, top: float, served: float, serves: Any) -> None:
    """Give up the close lanes of a row of which an input is not served."""
    for j in range(LANES):
        if abs(t.rho[m, j]) > top and served * serves[j] == 0.0:
            t.left[m, j] = True
            t.departed[m] = True
            t.rho[m, j] = 0.0
            t.x[m, j] = 0.0


@elementwise
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


@elementwise
def _fill_rows_of_band(
    t: Tile, p: Program, at: int, lane: int, top: float, asked: Any, close: Any, numbers: Any,
    count: int,
) -> None:  # fmt: skip
    """Those of ``count`` rows of one band, by a table whose parts begin at ``numbers``."""
    for n in range(count):
        _place_row(t, p, at, n, lane, top, asked, close)
    for part in range(PARTS):
        low, high = sides_in(t.starts, count, part)
        if low == high:
            continue
        core = p.core[numbers[1 + part] :]
        rows = t.some[:count]
        contract(core, p.close[at, 3], asked, p.close[at, 1], rows, (low, high), t.weights)
        for n in range(count):
            for side in range(low, high):
                _sum_lanes(t, p, at, n, part, side, lane, asked, close, core)


@elementwise
def _place_row(
    t: Tile, p: Program, at: int, n: int, lane: int, top: float, asked: Any, close: Any
) -> None:
    """Where the close lanes of the n-th of some rows stand in the table.

    ``value0`` is free behind the series.
    """
    last, place, m = p.close[at, 1] + p.close[at, 5] - 1, t.value0, t.some[n]
    for j in range(LANES):
        t.room[4, j] = 1.0 - abs(t.rho[m, j])
    places_of(
        p.close[at, 0], p.scale[at], asked[last, m], close[last, lane : lane + LANES],
        t.room[4], t.room, LANES,
    )  # fmt: skip
    for j in range(LANES):
        place[m, j] = t.room[0, j] if abs(t.rho[m, j]) > top else -1.0
    sort_by_keys(place[m], t.rho[m], t.order[n], t.starts[n])


@elementwise
def _sum_lanes(
    t: Tile, p: Program, at: int, n: int, part: int, side: int, lane: int, asked: Any, close: Any,
    core: Any,
) -> None:  # fmt: skip
    """Those of the n-th of some rows, a part and a sign of rho."""
    m, key, first, most = t.some[n], 2 * part + side, p.close[at, 1], p.close[at, 2]
    begin = t.starts[n, key]
    count, some = t.starts[n, key + 1] - begin, t.order[n, begin:]
    if count == 0:
        return
    width = EACH * -(-count // EACH)
    for k in range(width):
        j = some[min(k, count - 1)]
        t.close[k], t.sums[0, k] = lane + j, argument_in(t.value0[m, j], part)
    norms, ranks = (asked[first + most, m], asked[first + most + 1, m]), core[: p.close[at, 3]]
    low_rank_sums(t.weights, n, side, ranks, norms, close, first, most, t.close[:width], t.sums)
    for k in range(count):
        _leave(t, m, some[k], t.sums[OF_E, k], t.sums[OF_D, k])


@elementwise
def _leave(t: Tile, m: int, j: int, e: float, d: float) -> None:
    """Write what was found."""
    t.x[m, j] = t.rho[m, j] * t.rho[m, j]
    t.sigma[m, j], t.theta[m, j] = _plain(e, d, t.kept[m, j])
