"""Tiles of large inputs, most of whose pairs the series of the first layer leave out, compiled.

Such pairs are the rule where nobody scaled the inputs. Here the whole tile goes through the layers
of ``NearLayers``, in the place of the series; pairs that no table serves are left to these. The
formulas are those of ``carried_angles``; legend as there.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.expectations import LOW_RANK_BLOCK as EACH
from analytic.expectations import (
    OF_D,
    OF_E,
    PARTS,
    argument_in,
    contract,
    low_rank_sums,
    places_of,
    sides_in,
    sort_by_keys,
)
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
    PLACE,
    SHARE,
    SIGN,
    SLOPE,
    SMALL,
    STEEP,
    THETA,
    TURN,
    UNITS,
    WRONG,
    D,
    NearRoom,
    NearTiles,
    R,
    S,
)
from analytic.recursion import Data, Tile

__all__ = ["fill_near_tile"]

EIGHT = 8
"""Features that are summed together."""


@elementwise
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


@elementwise
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


@elementwise
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


@elementwise
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
    first, _, terms, start, wide, _ = q.tables[layer]
    band = q.bands[start + (row // q.width) * wide + lane // q.width]
    for m in range(end - row):
        _place_row(q, o, layer, row + m, m, lane)
    for part in range(PARTS):
        low, high = sides_in(o.starts, end - row, part)
        if low == high:
            continue
        core = q.core[band[1 + part] :]
        contract(core, terms, q.row_asked, first, np.arange(row, end), (low, high), o.weights)
        for m in range(end - row):
            for side in range(low, high):
                _sum_lanes(q, o, layer, row + m, m, part, side, core[:terms], lane)
    for m in range(end - row):
        _leave_row(q, o, layer, row + m, m)


@elementwise
def _place_row(q: NearTiles, o: NearRoom, layer: int, i: int, m: int, lane: int) -> None:
    """Where the pairs of a row stand in the table; they are NaN where it serves not."""
    first, most, _, _, _, kind = q.tables[layer]
    b, farthest, last = o.states[m], q.numbers[layer, 8], first + most + BESIDE - 1
    steeps = q.column_asked[last, lane : lane + LANES]
    places_of(kind, farthest, q.row_asked[last, i], steeps, b[SMALL : SMALL + LANES], o.work, LANES)
    for j in range(LANES):
        b[PLACE + j] = o.work[0, j] if b[SMALL + j] <= farthest else -1.0
        b[NEAR + j] = b[D + j] = np.nan
    sort_by_keys(b[PLACE : PLACE + LANES], b[TURN : TURN + LANES], o.order[m], o.starts[m])


@elementwise
def _bend_layer(q: NearTiles, o: NearRoom, layer: int, row: int, end: int) -> None:
    """``behind_line`` and ``carried`` for all pairs."""
    b, c, line, bend = o.states, o.columns, q.lines[layer, 0], q.lines[layer, 1]
    for m in range(end - row):
        slope = q.rows[layer, SLOPE, row + m]
        for j in range(LANES):  # loops of one step each become vector instructions
            b[m, D + j] = angle_of(b[m, SMALL + j])
        for j in range(LANES):
            b[m, NEAR + j] = folded(b[m, SMALL + j], b[m, D + j])
        for j in range(LANES):
            pair, angle = (b[m, SMALL + j], b[m, OFF + j], b[m, TURN + j]), b[m, D + j]
            near, sign, wrong, d, bent = behind_line(pair, angle, b[m, NEAR + j], line, bend)
            b[m, NEAR + j], b[m, SIGN + j], b[m, WRONG + j] = near, sign, wrong
            b[m, THETA + j], b[m, ERROR + j] = carried(
                b[m, THETA + j], b[m, ERROR + j], d, bent, slope * c[SLOPE, j]
            )


@elementwise
def _sum_lanes(
    q: NearTiles, o: NearRoom, layer: int, i: int, m: int, part: int, side: int, ranks: Any,
    lane: int,
) -> None:  # fmt: skip
    """The pairs of a row, a part and a sign of rho: ``near`` and ``d`` become their sums."""
    key, b, first, most = 2 * part + side, o.states[m], q.tables[layer, 0], q.tables[layer, 1]
    begin = o.starts[m, key]
    count, some = o.starts[m, key + 1] - begin, o.order[m, begin:]
    if count == 0:
        return
    norms = q.row_asked[first + most, i], q.row_asked[first + most + 1, i]
    width = EACH * -(-count // EACH)
    for k in range(width):
        o.chosen[k] = some[min(k, count - 1)]
    for k in range(width):
        o.sums[0, k] = argument_in(b[PLACE + o.chosen[k]], part)
        o.chosen[k] += lane
    chosen = o.chosen[:width]
    low_rank_sums(o.weights, m, side, ranks, norms, q.column_asked, first, most, chosen, o.sums)
    for k in range(count):
        b[NEAR + some[k]], b[D + some[k]] = o.sums[OF_E, k], o.sums[OF_D, k]


@elementwise
def _leave_row(q: NearTiles, o: NearRoom, layer: int, i: int, m: int) -> None:
    """``behind_table`` and ``carried`` for the pairs of a row."""
    b, c, a, n, s = o.states, o.columns, q.rows[layer, :, i], q.numbers[layer], q.sides[layer]
    of, sides, variation = (n[6], n[7]), (s[0], s[1], s[2], s[3]), n[5]
    one, slope = (a[INVERSE], a[BOW], a[STEEP], a[JUMP]), a[SLOPE]
    for j in range(LANES):
        d = b[m, D + j]
        pair = b[m, NEAR + j], d, b[m, SMALL + j], b[m, OFF + j], b[m, TURN + j]
        other = c[INVERSE, j], c[BOW, j], c[STEEP, j], c[JUMP, j]
        near, sign, wrong, bent = behind_table(pair, one, other, of, sides, variation)
        b[m, NEAR + j], b[m, SIGN + j], b[m, WRONG + j] = near, sign, wrong
        b[m, THETA + j], b[m, ERROR + j] = carried(
            b[m, THETA + j], b[m, ERROR + j], d, bent, slope * c[SLOPE, j]
        )


@elementwise
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


@elementwise
def _leave_out(o: NearRoom, t: Tile, m: int, lanes: int) -> None:
    """The pairs of a row that are not known; those that are left out count for nothing."""
    b = o.states[m]
    for j in range(LANES):
        if b[SMALL + j] == 0.0 and j < lanes:
            t.left[m, j] = t.departed[m] = True
        if j >= lanes or t.left[m, j]:
            t.sigma[m, j] = t.theta[m, j] = b[WRONG + j] = b[ERROR + j] = 0.0


@partial(elementwise, flags=REASSOCIATED)
def _largest(line: Any, at: int) -> float:
    """The largest of LANES numbers that are not negative."""
    most = 0.0
    for j in range(LANES):
        most = max(most, line[at + j])
    return most
