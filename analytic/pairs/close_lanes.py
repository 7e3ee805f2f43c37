"""Pairs of a tile whose |rho| is beyond the series of a layer, where another form takes its place.

Their lanes take part in the series at rho = 0, whose value is not used: their number of terms is
that of the other lanes. Compiled.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations import (
    LOGARITHMIC,
    LOW_RANK_WIDTH,
    TABLE,
    TOGETHER,
    contract,
    line_sums,
    low_rank_sums,
)
from analytic.machine import LANES
from analytic.recursion import Program, Tile, first_beyond, plain

__all__ = ["fill_close_lanes", "put_close_lanes_aside", "row_weights"]

_plain: Any = compiled(plain)

BLOCK, WIDTH = 32, 8
"""Lanes that are looked at together, and those of a vector."""


@compiled
def row_weights(p: Program, asked: Any) -> Any:
    """The coefficients of the tables that are left for each row, of both signs of rho.

    Args:
        p: the layers.
        asked: what forms beyond the series ask of the rows, shape (numbers, rows).

    Returns:
        shape (rows, numbers), those of a layer from ``Program.close[at, 6]`` on.
    """
    size = 0
    for at in range(p.close.shape[0]):
        if p.close[at, 0] == TABLE or p.close[at, 0] == LOGARITHMIC:
            size = p.close[at, 6] + 4 * p.close[at, 2] * p.close[at, 3]
    found = np.empty((asked.shape[1], size))
    every = np.arange(int(asked.shape[1]))
    for at in range(p.close.shape[0]):
        kind, first, rank, terms, place, _, start = p.close[at]
        if kind == TABLE or kind == LOGARITHMIC:
            contract(p.core[place:], rank, terms, asked, first, every, found, start)
    return found


@compiled
def put_close_lanes_aside(
    t: Tile, p: Program, at: int, rows: int, lane: int, radius: Any, asked: Any, close: Any
) -> None:
    """Keep their Gamma, and give their rows the number of terms of the other lanes.

    Lanes whose deviations are too small for a table are left out.
    """
    top, kind, last = radius[-2], p.close[at, 0], p.close[at, 1] + p.close[at, 5] - 1
    for m in range(rows):
        if t.largest[m] <= top:
            continue
        if kind == LOGARITHMIC:
            _leave_small_ones(t, m, top, asked[last, m], close[last, lane : lane + LANES])
        largest = 0.0
        for j in range(LANES):
            t.kept[m, j] = t.theta[m, j]
            beyond = abs(t.rho[m, j]) > top
            t.x[m, j] = 0.0 if beyond else t.x[m, j]
            largest = t.x[m, j] if t.x[m, j] > largest else largest
        t.group[m] = first_beyond(radius, np.sqrt(largest))


@compiled
def _leave_small_ones(t: Tile, m: int, top: float, steep: float, steeps: Any) -> None:
    """Give up the close lanes of a row of which an input has no place in the table."""
    for j in range(LANES):
        if abs(t.rho[m, j]) > top and steep * steeps[j] == 0.0:
            t.left[m, j] = True
            t.departed[m] = True
            t.rho[m, j] = 0.0
            t.x[m, j] = 0.0


@compiled
def fill_close_lanes(
    t: Tile, p: Program, at: int, rows: int, lane: int, radius: Any, asked: Any, weights: Any,
    close: Any,
) -> None:  # fmt: skip
    """Write Sigma and Theta of these lanes: those beyond the same radius."""
    top = radius[-2]
    if p.close[at, 0] == TABLE or p.close[at, 0] == LOGARITHMIC:
        for m in range(rows):
            if t.largest[m] > top:
                for side in range(2):
                    _fill_side(t, p, at, m, side, lane, top, asked[:, m], weights[m], close)
    else:
        for side in range(2):
            _fill_lines(t, p, at, rows, side, lane, top, asked, close)
    last = p.bounds.radius.shape[1] - 1
    for m in range(rows):
        if t.largest[m] > top:
            t.group[m] = last


@compiled
def _append(t: Tile, m: int, sign: float, top: float, count: int) -> int:
    """Write down the close lanes of a row behind ``count`` others."""
    for start in range(0, LANES, BLOCK):
        some = 0
        for j in range(start, start + BLOCK):
            some += sign * t.rho[m, j] > top
        if some == 0:
            continue
        for j in range(start, start + BLOCK):
            t.lanes[count] = m * LANES + j
            count += sign * t.rho[m, j] > top
    return count


@compiled
def _fill_side(
    t: Tile, p: Program, at: int, m: int, side: int, lane: int, top: float, asked: Any,
    weights: Any, close: Any,
) -> None:  # fmt: skip
    """Those of a row and one sign of rho, by a table."""
    count = _append(t, m, 1.0 - 2.0 * side, top, 0)
    first, numbers = p.close[at, 1], p.close[at, 5]
    own = asked[first : first + numbers].copy()
    for start in range(0, count, LOW_RANK_WIDTH):
        stop = min(start + LOW_RANK_WIDTH, count)
        _sum_lanes(t, p, at, m, side, lane, start, stop, own, weights, close)


@compiled
def _sum_lanes(
    t: Tile, p: Program, at: int, m: int, side: int, lane: int, begin: int, stop: int, own: Any,
    weights: Any, close: Any,
) -> None:  # fmt: skip
    """At most LOW_RANK_WIDTH of them, of which the last fills what is left."""
    kind, first, rank, terms, place, numbers, start = p.close[at]
    small, e, d, phi = t.sums[0], t.sums[1], t.sums[2], t.sums[3 : 3 + numbers]
    for i in range(LOW_RANK_WIDTH):
        t.close[i] = t.lanes[min(begin + i, stop - 1)] - m * LANES
        small[i] = 1.0 - abs(t.rho[m, t.close[i]])
    side_by_side = t.lanes[stop - 1] - t.lanes[begin] == LOW_RANK_WIDTH - 1 == stop - begin - 1
    for b in range(numbers):
        if side_by_side:
            phi[b, :] = close[first + b, lane + t.close[0] : lane + t.close[0] + LOW_RANK_WIDTH]
        else:
            for i in range(LOW_RANK_WIDTH):
                phi[b, i] = close[first + b, lane + t.close[i]]
    begins = start + 2 * side * rank
    low_rank_sums(
        weights, begins, p.core[place : place + terms], kind, rank, terms, p.scale[at], own, phi,
        small, t.sums[3 + numbers :], e, d,
    )  # fmt: skip
    _leave(t, stop - begin, begin, e, d)


@compiled
def _fill_lines(
    t: Tile, p: Program, at: int, rows: int, side: int, lane: int, top: float, asked: Any,
    close: Any,
) -> None:  # fmt: skip
    """Those of one sign of rho, by a closed form, whatever rows they stand in."""
    sign, count = 1.0 - 2.0 * side, 0
    for m in range(rows):
        if t.largest[m] > top:
            count = _append(t, m, sign, top, count)
            while count >= TOGETHER:
                count -= TOGETHER
                _some_lines(t, p, at, side, lane, count, TOGETHER, asked, close)
    if count > 0:
        _some_lines(t, p, at, side, lane, 0, count, asked, close)


@compiled
def _some_lines(
    t: Tile, p: Program, at: int, side: int, lane: int, start: int, count: int, asked: Any,
    close: Any,
) -> None:  # fmt: skip
    """``count`` lanes, written down from ``start`` on; the last one is repeated in the vectors."""
    _, first, places, _, place, numbers, _ = p.close[at]
    n, lanes = count + -count % WIDTH, t.lanes[start:]
    for i in range(count, n):
        lanes[i] = lanes[count - 1]
    small, e, d = t.room[0, :n], t.room[1, :n], t.room[2, :n]
    own, phi = t.room[3 : 3 + numbers, :n], t.room[3 + numbers : 3 + 2 * numbers, :n]
    for i in range(n):
        small[i] = 1.0 - abs(t.rho[lanes[i] // LANES, lanes[i] % LANES])
    for b in range(numbers):
        for i in range(n):
            own[b, i] = asked[first + b, lanes[i] // LANES]
            phi[b, i] = close[first + b, lane + lanes[i] % LANES]
    line_sums(p.core[place:], side, places, own, phi, small, t.lines, t.bits, e, d)
    _leave(t, count, start, e, d)


@compiled
def _leave(t: Tile, count: int, start: int, e: Any, d: Any) -> None:
    """Write what was found."""
    for i in range(count):
        m, j = t.lanes[start + i] // LANES, t.lanes[start + i] % LANES
        t.x[m, j] = t.rho[m, j] * t.rho[m, j]
        t.sigma[m, j], t.theta[m, j] = _plain(e[i], d[i], t.kept[m, j])
