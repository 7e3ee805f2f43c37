"""Pairs of a tile whose |rho| is beyond the series of a layer, where another form takes its place.

Their lanes take part in the series at rho = 0, whose value is not used: their number of terms is
that of the other lanes. Compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations import TABLE, TOGETHER, kink_sums, line_sums
from analytic.machine import LANES
from analytic.recursion import Program, Tile, first_beyond, plain

__all__ = ["fill_close_lanes", "put_close_lanes_aside"]

_plain: Any = compiled(plain)


@compiled
def put_close_lanes_aside(t: Tile, rows: int, radius: Any) -> None:
    """Keep their Gamma, and give their rows the number of terms of the other lanes."""
    top = radius[-2]
    for m in range(rows):
        if t.largest[m] <= top:
            continue
        largest = 0.0
        for j in range(LANES):
            t.kept[m, j] = t.theta[m, j]
            close = abs(t.rho[m, j]) > top
            t.x[m, j] = 0.0 if close else t.x[m, j]
            largest = t.x[m, j] if t.x[m, j] > largest else largest
        t.group[m] = first_beyond(radius, np.sqrt(largest))


@compiled
def fill_close_lanes(
    t: Tile, p: Program, at: int, rows: int, lane: int, asked: Any, close: Any
) -> None:
    """Write Sigma and Theta of these lanes."""
    last = p.bounds.radius.shape[1] - 1
    for m in range(rows):
        if t.largest[m] <= p.reach[at, 0]:
            continue
        for side in range(2):
            _fill_side(t, p, at, m, side, lane, asked[:, m], close)
        t.group[m] = last


@compiled
def _fill_side(
    t: Tile, p: Program, at: int, m: int, side: int, lane: int, asked: Any, close: Any
) -> None:
    """Those of one sign of rho."""
    kind, first, rank, terms, place, numbers = p.close[at]
    sign, top, count = 1.0 - 2.0 * side, p.reach[at, 0], 0
    small, e, d, phi = t.room[0], t.room[1], t.room[2], t.room[3 : 3 + numbers]
    for j in range(LANES):
        if sign * t.rho[m, j] > top:
            t.lanes[count] = j
            small[count] = 1.0 - abs(t.rho[m, j])
            count += 1
    if count == 0:
        return
    for i in range(count, count + -count % TOGETHER):
        t.lanes[i], small[i] = t.lanes[count - 1], small[count - 1]
    for b in range(numbers):
        source, target = close[first + b], phi[b]
        for i in range(count + -count % TOGETHER):
            target[i] = source[lane + t.lanes[i]]
    own = asked[first : first + numbers].copy()
    if kind == TABLE:
        kink_sums(
            p.core[place:], side, rank, terms, p.reach[at, 1], own, phi, small, count, t.weights,
            t.room[3 + numbers :], e, d,
        )  # fmt: skip
    else:
        for start in range(0, count, TOGETHER):
            part = slice(start, start + TOGETHER)
            line_sums(
                p.core[place:], side, rank, own, phi[:, part], small[part], t.lines, t.bits,
                e[part], d[part],
            )  # fmt: skip
    for i in range(count):
        j = t.lanes[i]
        t.x[m, j] = t.rho[m, j] * t.rho[m, j]
        t.sigma[m, j], t.theta[m, j] = _plain(e[i], d[i], t.kept[m, j])
