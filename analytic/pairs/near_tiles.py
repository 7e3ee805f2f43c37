"""Tiles of large inputs, most of whose pairs the series of the first layer leave out, compiled.

Such pairs are the rule where nobody scaled the inputs. Here the whole tile goes through the layers
of ``NearLayers``, in the place of the series; pairs that no table serves are left to these. The
formulas are those of ``carried_angles``; legend as there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations import contract, low_rank_sums
from analytic.machine import LANES, REASSOCIATED, UNIT
from analytic.pairs.bent_angles import angle_of, behind_line, folded
from analytic.pairs.carried_angles import behind_table, carried, entered
from analytic.pairs.near_states import (
    BESIDE,
    BOW,
    ERROR,
    INVERSE,
    JUMP,
    NEAR,
    OFF,
    SHARE,
    SIGN,
    SLOPE,
    SMALL,
    STEEP,
    THETA,
    TURN,
    UNITS,
    WRONG,
    NearRoom,
    NearTiles,
    R,
    S,
)
from analytic.recursion import Data, Tile

__all__ = ["fill_near_tile"]

EIGHT = 8
"""Features that are summed together."""


@compiled
def fill_near_tile(
    q: NearTiles, o: NearRoom, t: Tile, data: Data, row: int, end: int, lane: int, stop: int
) -> None:
    """Sigma, Theta and their errors behind the layers; other pairs are left out.

    Args:
        q: the layers.
        o: room.
        t: the tile, ready (``begin``).
        data: the inputs.
        row: its first row.
        end: one past its last row.
        lane: its first column.
        stop: one past its last column; the lanes behind it count for nothing.
    """
    _enter_inputs(q, o, data, row, end, lane)
    for layer in range(q.tables.shape[0]):
        _enter_layer(q, o, layer, row, end, lane)
        if q.tables[layer, 2] == 0:
            _bend_layer(q, o, layer, row, end)
        else:
            _sum_layer(q, o, layer, row, end, lane)
    _write(q, o, t, row, end, stop - lane)


@compiled
def _enter_inputs(q: NearTiles, o: NearRoom, data: Data, row: int, end: int, lane: int) -> None:
    """Their angles, from unit vectors."""
    b, scale = o.states, q.column_inverse[lane : lane + LANES]
    for m in range(end - row):
        i = row + m
        if data.features == 1:  # all are parallel
            for j in range(LANES):
                alike = (data.x[i, 0] >= 0) == (data.xt[0, lane + j] >= 0)
                b[m, NEAR + j], b[m, SIGN + j] = 0.0, 1.0 if alike else -1.0
                b[m, WRONG + j] = b[m, THETA + j] = b[m, ERROR + j] = 0.0
            continue
        _half_square(data, i, q.row_inverse[i], lane, scale, 1.0, b[m], NEAR)
        most = 0.0
        for j in range(LANES):
            most = b[m, NEAR + j] if b[m, NEAR + j] > most else most
        if most > 1.0:
            _half_square(data, i, q.row_inverse[i], lane, scale, -1.0, b[m], SMALL)
        for j in range(LANES):
            other_side = b[m, NEAR + j] > 1.0
            near = b[m, SMALL + j] if other_side else b[m, NEAR + j]
            b[m, NEAR + j], b[m, SIGN + j] = near, -1.0 if other_side else 1.0
            sums = (data.xt.shape[0] / EIGHT + 22) * near
            b[m, WRONG + j] = (4 * np.sqrt(near) + sums + 4 * UNIT) * UNIT
            b[m, THETA + j] = b[m, ERROR + j] = 0.0


@compiled
def _half_square(
    data: Data, i: int, inverse: float, lane: int, scale: Any, sign: float, line: Any, at: int
) -> None:
    """|u - sign u'|^2/2 of a row and LANES columns, eight features at a time."""
    for k in range(0, data.xt.shape[0], EIGHT):
        for j in range(LANES):
            total, size = 0.0, sign * scale[j]
            for f in range(EIGHT):
                apart = data.xt[k + f, lane + j] * size - data.x[i, k + f] * inverse
                total += apart * apart
            line[at + j] = 0.5 * total if k == 0 else line[at + j] + 0.5 * total


@compiled
def _enter_layer(q: NearTiles, o: NearRoom, layer: int, row: int, end: int, lane: int) -> None:
    """``entered`` for all pairs; the norms of the columns are read once."""
    b, c, n = o.states, o.columns, q.numbers[layer]
    numbers, own = (n[0], n[1], n[2], n[3]), n[4]
    for k in range(c.shape[0]):
        for j in range(LANES):
            c[k, j] = q.columns[layer, k, lane + j]
    for m in range(end - row):
        a = q.rows[layer, :, row + m]
        one = a[R], a[S], a[INVERSE], a[SHARE]
        for j in range(LANES):
            pair = b[m, NEAR + j], b[m, SIGN + j], b[m, WRONG + j], b[m, THETA + j], b[m, ERROR + j]
            other = c[R, j], c[S, j], c[INVERSE, j], c[SHARE, j]
            turn, small, off, theta, error = entered(pair, one, other, numbers, own)
            b[m, TURN + j], b[m, SMALL + j], b[m, OFF + j] = turn, small, off
            b[m, THETA + j], b[m, ERROR + j] = theta, error


@compiled
def _sum_layer(q: NearTiles, o: NearRoom, layer: int, row: int, end: int, lane: int) -> None:
    """The sums of the table for all pairs, and what is behind the activation."""
    first, most, terms, start, wide, kind = q.tables[layer]
    rank, place = q.bands[start + (row // q.width) * wide + lane // q.width]
    core, rows = q.core[place:], np.arange(row, end)
    phi = o.sums[o.sums.shape[0] - most - BESIDE :]
    for k in range(rank + BESIDE):
        source = first + (k if k < rank else most + k - rank)
        for j in range(LANES):
            phi[k, j] = q.column_asked[source, lane + j]
    low, high = _sides(o.states, end - row)
    contract(core, terms, q.row_asked, first, rows, (low, high), o.weights)
    for m in range(end - row):
        for k in range(rank + BESIDE):
            o.own[k] = q.row_asked[first + (k if k < rank else most + k - rank), row + m]
        for side in range(low, high):
            _sum_row(q, o, layer, kind, m, side, core[:terms], rank, phi)
        _leave_row(q, o, layer, row + m, m)


@compiled
def _bend_layer(q: NearTiles, o: NearRoom, layer: int, row: int, end: int) -> None:
    """``behind_line`` and ``carried`` for all pairs."""
    b, c, line, bend = o.states, o.columns, q.lines[layer, 0], q.lines[layer, 1]
    for m in range(end - row):
        slope = q.rows[layer, SLOPE, row + m]
        for j in range(LANES):  # loops of one step each become vector instructions
            o.d[j] = angle_of(b[m, SMALL + j])
        for j in range(LANES):
            b[m, NEAR + j] = folded(b[m, SMALL + j], o.d[j])
        for j in range(LANES):
            pair = b[m, SMALL + j], b[m, OFF + j], b[m, TURN + j]
            near, sign, wrong, d, bent = behind_line(pair, o.d[j], b[m, NEAR + j], line, bend)
            b[m, NEAR + j], b[m, SIGN + j], b[m, WRONG + j] = near, sign, wrong
            b[m, THETA + j], b[m, ERROR + j] = carried(
                b[m, THETA + j], b[m, ERROR + j], d, bent, slope * c[SLOPE, j]
            )


@compiled
def _sides(b: Any, rows: int) -> Any:
    """From which sign of rho to which there are pairs."""
    low, high = 1, 1
    for m in range(rows):
        for j in range(LANES):
            low = 0 if b[m, TURN + j] > 0 else low
            high = high if b[m, TURN + j] > 0 else 2
    return low, high


@compiled
def _sum_row(
    q: NearTiles, o: NearRoom, layer: int, kind: int, m: int, side: int, ranks: Any, rank: int,
    phi: Any,
) -> None:  # fmt: skip
    """The pairs of a row and one sign of rho: ``near`` and ``d`` become sums; NaN out of range."""
    b, sign, farthest, count = o.states, 1.0 - 2.0 * side, q.numbers[layer, 8], 0
    small, e, d, work = o.sums[0], o.sums[1], o.sums[2], o.sums[3:]
    for j in range(LANES):
        count += sign * b[m, TURN + j] > 0
        size = b[m, SMALL + j]
        small[j] = size if size <= farthest else farthest
    if count == 0:
        return
    low_rank_sums(
        o.weights, m, side, ranks, kind, farthest, o.own[: rank + BESIDE],
        phi[: rank + BESIDE], small, work, e, d,
    )  # fmt: skip
    last = rank + BESIDE - 1  # 0 where no table serves
    for j in range(LANES):
        if sign * b[m, TURN + j] > 0:
            served = o.own[last] * phi[last, j] > 0 and b[m, SMALL + j] <= farthest
            b[m, NEAR + j] = e[j] if served else np.nan
            o.d[j] = d[j]


@compiled
def _leave_row(q: NearTiles, o: NearRoom, layer: int, i: int, m: int) -> None:
    """``behind_table`` and ``carried`` for the pairs of a row."""
    b, c, a, n, s = o.states, o.columns, q.rows[layer, :, i], q.numbers[layer], q.sides[layer]
    of, sides, variation = (n[6], n[7]), (s[0], s[1], s[2], s[3]), n[5]
    one, slope = (a[INVERSE], a[BOW], a[STEEP], a[JUMP]), a[SLOPE]
    for j in range(LANES):
        d = o.d[j]
        pair = b[m, NEAR + j], d, b[m, SMALL + j], b[m, OFF + j], b[m, TURN + j]
        other = c[INVERSE, j], c[BOW, j], c[STEEP, j], c[JUMP, j]
        near, sign, wrong, bent = behind_table(pair, one, other, of, sides, variation)
        b[m, NEAR + j], b[m, SIGN + j], b[m, WRONG + j] = near, sign, wrong
        b[m, THETA + j], b[m, ERROR + j] = carried(
            b[m, THETA + j], b[m, ERROR + j], d, bent, slope * c[SLOPE, j]
        )


@compiled
def _write(q: NearTiles, o: NearRoom, t: Tile, row: int, end: int, lanes: int) -> None:
    """Into the tile; a row has its largest errors, or each pair its own."""
    b, last, own = o.states, q.rows.shape[0] - 1, q.sigma + 4 * UNIT
    t.error[:2] = 0.0
    t.error[2] = 1.0
    for m in range(end - row):
        unit, known = q.rows[last, UNITS, row + m], 0
        for j in range(LANES):
            sigma = b[m, SIGN + j] * (1.0 - b[m, NEAR + j]) * (unit * o.columns[UNITS, j])
            b[m, WRONG + j] += own
            size = abs(sigma) + abs(b[m, THETA + j]) + b[m, WRONG + j] + b[m, ERROR + j]
            b[m, SMALL + j] = 1.0 if size < np.inf else 0.0
            t.sigma[m, j] = sigma if size < np.inf else 0.0
            t.theta[m, j] = b[m, THETA + j] if size < np.inf else 0.0
            known += size < np.inf
        if known < LANES or t.departed[m]:
            _leave_out(o, t, m, lanes)
        if t.error.shape[2] > 1:
            for j in range(LANES):
                t.error[0, m, j], t.error[1, m, j] = b[m, WRONG + j], b[m, ERROR + j]
        else:
            t.error[0, m, 0], t.error[1, m, 0] = _largest(b[m], WRONG), _largest(b[m], ERROR)


@compiled
def _leave_out(o: NearRoom, t: Tile, m: int, lanes: int) -> None:
    """The pairs of a row that are not known; those that are left out count for nothing."""
    b = o.states[m]
    for j in range(LANES):
        if b[SMALL + j] == 0.0 and j < lanes:
            t.left[m, j] = t.departed[m] = True
        if j >= lanes or t.left[m, j]:
            t.sigma[m, j] = t.theta[m, j] = b[WRONG + j] = b[ERROR + j] = 0.0


@partial(compiled, flags=REASSOCIATED)
def _largest(line: Any, at: int) -> float:
    """The largest of LANES numbers that are not negative."""
    most = 0.0
    for j in range(LANES):
        most = max(most, line[at + j])
    return most
