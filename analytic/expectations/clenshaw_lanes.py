r"""Sums of low rank (``rank_reduction``) for many pairs of one row, compiled.

The coefficients of a part of the range (``angle_parts``) are summed with phi_a(s) of the row once;
what is left of them, in phi_b(s') and the argument of the polynomials, is a scalar product and
Clenshaw's scheme for every lane.

The k-th matrices of coefficients have as many rows and columns as matter, the last of them none:
``numbers`` are the numbers of columns, those of rows, and then, of each k, C_k as (2 signs, 2,
columns, rows).

Legend: work has rows of lanes; w the coefficients that are left of some rows, for each of these
side by side: of each k (2 signs, 2, columns).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.machine import Array, aligned

__all__ = [
    "BLOCK",
    "OF_D",
    "OF_E",
    "TOGETHER",
    "WIDTH",
    "contract",
    "low_rank_sums",
    "room_of_sums",
]

WIDTH = 128
"""Lanes that are summed together, at most."""
BLOCK = 32
"""Their number is a multiple of it: what compiled loops take at a time."""
TOGETHER = 32
"""Rows whose coefficients are summed together."""
WORK = 7
"""Rows of lanes that the sums need beside phi; the first of them holds the arguments."""
OF_E, OF_D, PHI = WORK, WORK + 1, WORK + 2
"""The rows where E and D go, and where phi begin."""
MOST_PHI = 48
"""What there is room for."""


def room_of_sums() -> Array:
    """Room for the sums of any table."""
    return aligned(PHI + MOST_PHI, WIDTH)


@compiled
def contract(
    numbers: Any, terms: int, asked: Any, first: int, inputs: Any, sides: Any, w: Any
) -> None:
    """Sum the coefficients for E and D with phi_a(s) of some rows.

    Args:
        numbers: see the module.
        terms: how many polynomials.
        asked: phi of inputs, from row ``first`` on, (rows, inputs).
        first: see above.
        inputs: the rows, TOGETHER at most.
        sides: from which sign of rho to which: (0, 2) are both.
        w: room for the coefficients that are left, (numbers, TOGETHER).
    """
    most, last = int(numbers[terms : 2 * terms].max()), inputs.size - 1
    phi = np.empty((most, TOGETHER))
    for a in range(most):
        for m in range(TOGETHER):
            phi[a, m] = asked[first + a, inputs[min(m, last)]]
    at, begin = 2 * terms, 0
    for k in range(terms):
        wide, rows = 4 * int(numbers[k]), int(numbers[terms + k])
        low, high = sides[0] * wide // 2, sides[1] * wide // 2
        a = 0
        while a + 8 <= rows:
            _add_eight_rows(numbers, at, low, high, rows, a, phi, w, begin)
            a += 8
        if a < rows:
            _add_four_rows(numbers, at, low, high, rows, a, phi, w, begin)
        at, begin = at + rows * wide, begin + wide


@elementwise
def _add_eight_rows(
    numbers: Any, at: int, low: int, high: int, rows: int, a: int, phi: Any, w: Any, begin: int
) -> None:
    """Add the products of eight rows of the k-th matrices."""
    for c in range(low, high):
        i = at + c * rows + a
        n0, n1, n2, n3 = numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]
        n4, n5, n6, n7 = numbers[i + 4], numbers[i + 5], numbers[i + 6], numbers[i + 7]
        for m in range(TOGETHER):
            total = w[begin + c, m] if a > 0 else 0.0
            low, high = n0 * phi[a, m] + n1 * phi[a + 1, m], n2 * phi[a + 2, m]
            low, high = low + n4 * phi[a + 4, m], high + n3 * phi[a + 3, m]
            low, high = low + n5 * phi[a + 5, m], high + n6 * phi[a + 6, m]
            w[begin + c, m] = total + (low + (high + n7 * phi[a + 7, m]))


@elementwise
def _add_four_rows(
    numbers: Any, at: int, low: int, high: int, rows: int, a: int, phi: Any, w: Any, begin: int
) -> None:
    """The same of four."""
    for c in range(low, high):
        i = at + c * rows + a
        n0, n1, n2, n3 = numbers[i], numbers[i + 1], numbers[i + 2], numbers[i + 3]
        for m in range(TOGETHER):
            total = w[begin + c, m] if a > 0 else 0.0
            low, high = n0 * phi[a, m] + n1 * phi[a + 1, m], n2 * phi[a + 2, m]
            w[begin + c, m] = total + (low + (high + n3 * phi[a + 3, m]))


@elementwise
def _add_eight(
    w: Any, n: int, k: int, m: int, p: Any, b: int, work: Any, row: int, width: int
) -> None:
    """Add eight products to the sums of E and of D, which share phi, with the weights of a row."""
    w0, w1, w2, w3 = w[k, n], w[k + 1, n], w[k + 2, n], w[k + 3, n]
    w4, w5, w6, w7 = w[k + 4, n], w[k + 5, n], w[k + 6, n], w[k + 7, n]
    v0, v1, v2, v3 = w[m, n], w[m + 1, n], w[m + 2, n], w[m + 3, n]
    v4, v5, v6, v7 = w[m + 4, n], w[m + 5, n], w[m + 6, n], w[m + 7, n]
    for i in range(width):
        total, slope = work[row, i] + w0 * p[b, i], work[row + 3, i] + v0 * p[b, i]
        total, slope = total + w1 * p[b + 1, i], slope + v1 * p[b + 1, i]
        total, slope = total + w2 * p[b + 2, i], slope + v2 * p[b + 2, i]
        total, slope = total + w3 * p[b + 3, i], slope + v3 * p[b + 3, i]
        total, slope = total + w4 * p[b + 4, i], slope + v4 * p[b + 4, i]
        total, slope = total + w5 * p[b + 5, i], slope + v5 * p[b + 5, i]
        total, slope = total + w6 * p[b + 6, i], slope + v6 * p[b + 6, i]
        work[row, i], work[row + 3, i] = total + w7 * p[b + 7, i], slope + v7 * p[b + 7, i]


@elementwise
def _begin_four(
    w: Any, n: int, k: int, m: int, p: Any, work: Any, new: int, old: int, older: int, width: int
) -> None:
    """A step of Clenshaw's scheme with the first four products."""
    w0, w1, w2, w3 = w[k, n], w[k + 1, n], w[k + 2, n], w[k + 3, n]
    v0, v1, v2, v3 = w[m, n], w[m + 1, n], w[m + 2, n], w[m + 3, n]
    for i in range(width):
        total = work[0, i] * work[old, i] - work[older, i]
        slope = work[0, i] * work[old + 3, i] - work[older + 3, i]
        total, slope = total + w0 * p[0, i], slope + v0 * p[0, i]
        total, slope = total + w1 * p[1, i], slope + v1 * p[1, i]
        total, slope = total + w2 * p[2, i], slope + v2 * p[2, i]
        work[new, i], work[new + 3, i] = total + w3 * p[3, i], slope + v3 * p[3, i]


@elementwise
def _begin_eight(
    w: Any, n: int, k: int, m: int, p: Any, work: Any, new: int, old: int, older: int, width: int
) -> None:
    """The same with eight."""
    w0, w1, w2, w3 = w[k, n], w[k + 1, n], w[k + 2, n], w[k + 3, n]
    w4, w5, w6, w7 = w[k + 4, n], w[k + 5, n], w[k + 6, n], w[k + 7, n]
    v0, v1, v2, v3 = w[m, n], w[m + 1, n], w[m + 2, n], w[m + 3, n]
    v4, v5, v6, v7 = w[m + 4, n], w[m + 5, n], w[m + 6, n], w[m + 7, n]
    for i in range(width):
        total = work[0, i] * work[old, i] - work[older, i]
        slope = work[0, i] * work[old + 3, i] - work[older + 3, i]
        total, slope = total + w0 * p[0, i], slope + v0 * p[0, i]
        total, slope = total + w1 * p[1, i], slope + v1 * p[1, i]
        total, slope = total + w2 * p[2, i], slope + v2 * p[2, i]
        total, slope = total + w3 * p[3, i], slope + v3 * p[3, i]
        total, slope = total + w4 * p[4, i], slope + v4 * p[4, i]
        total, slope = total + w5 * p[5, i], slope + v5 * p[5, i]
        total, slope = total + w6 * p[6, i], slope + v6 * p[6, i]
        work[new, i], work[new + 3, i] = total + w7 * p[7, i], slope + v7 * p[7, i]


@elementwise
def _begin_twelve(
    w: Any, n: int, k: int, m: int, p: Any, work: Any, new: int, old: int, older: int, width: int
) -> None:
    """The same with twelve."""
    w0, w1, w2, w3 = w[k, n], w[k + 1, n], w[k + 2, n], w[k + 3, n]
    w4, w5, w6, w7 = w[k + 4, n], w[k + 5, n], w[k + 6, n], w[k + 7, n]
    w8, w9, wa, wb = w[k + 8, n], w[k + 9, n], w[k + 10, n], w[k + 11, n]
    v0, v1, v2, v3 = w[m, n], w[m + 1, n], w[m + 2, n], w[m + 3, n]
    v4, v5, v6, v7 = w[m + 4, n], w[m + 5, n], w[m + 6, n], w[m + 7, n]
    v8, v9, va, vb = w[m + 8, n], w[m + 9, n], w[m + 10, n], w[m + 11, n]
    for i in range(width):
        total = work[0, i] * work[old, i] - work[older, i]
        slope = work[0, i] * work[old + 3, i] - work[older + 3, i]
        total, slope = total + w0 * p[0, i], slope + v0 * p[0, i]
        total, slope = total + w1 * p[1, i], slope + v1 * p[1, i]
        total, slope = total + w2 * p[2, i], slope + v2 * p[2, i]
        total, slope = total + w3 * p[3, i], slope + v3 * p[3, i]
        total, slope = total + w4 * p[4, i], slope + v4 * p[4, i]
        total, slope = total + w5 * p[5, i], slope + v5 * p[5, i]
        total, slope = total + w6 * p[6, i], slope + v6 * p[6, i]
        total, slope = total + w7 * p[7, i], slope + v7 * p[7, i]
        total, slope = total + w8 * p[8, i], slope + v8 * p[8, i]
        total, slope = total + w9 * p[9, i], slope + v9 * p[9, i]
        total, slope = total + wa * p[10, i], slope + va * p[10, i]
        work[new, i], work[new + 3, i] = total + wb * p[11, i], slope + vb * p[11, i]


@elementwise
def _clenshaw(w: Any, n: int, side: int, ranks: Any, phi: Any, work: Any, width: int) -> int:
    """sum_kb w_kb T_k(x) phi_b for E and for D of some lanes; work[0] holds 2 x.

    Returns the row of the sum for E; that for D is three below.
    """
    new, old, older, end, last = 1, 2, 3, 0, -1
    for k in range(ranks.size):
        end += 4 * int(ranks[k])
        last = k if ranks[k] > 0 else last
    work[1:WORK, :width] = 0.0
    for k in range(last, -1, -1):
        if k == 0:
            for i in range(width):
                work[0, i] *= 0.5
        rank = int(ranks[k])
        end -= 4 * rank
        e = end + 2 * side * rank
        d, b = e + rank, rank % 8
        if rank >= 12 and b > 0:
            b = 12
            _begin_twelve(w, n, e, d, phi, work, new, old, older, width)
        elif b > 0:
            _begin_four(w, n, e, d, phi, work, new, old, older, width)
        else:
            b = 8
            _begin_eight(w, n, e, d, phi, work, new, old, older, width)
        while b < rank:
            _add_eight(w, n, e + b, d + b, phi, b, work, new, width)
            b += 8
        new, old, older = older, new, old
    return old


@elementwise
def _gather(asked: Any, first: int, columns: Any, phi: Any) -> None:
    """What is asked of the lanes: those of as many rows as phi has."""
    last, lane = columns.size - 1, columns[0]
    filled_up = columns[last] == columns[last - 1]
    side_by_side, width = not filled_up and columns[last] - lane == last, last + 1
    for b in range(phi.shape[0]):
        if side_by_side:
            for i in range(width):
                phi[b, i] = asked[first + b, lane + i]
        else:
            for i in range(width):
                phi[b, i] = asked[first + b, columns[i]]


@elementwise
def low_rank_sums(
    w: Any, n: int, side: int, ranks: Any, norms: Any, asked: Any, first: int, most: int,
    columns: Any, room: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of pairs of one row, one part and one sign of rho.

    They go to the rows OF_E and OF_D of the room, whose first row holds twice the arguments of the
    polynomials (``argument_in``).

    Args:
        w: the coefficients that ``contract`` left.
        n: which of its rows it is.
        side: 0 for rho > 0, 1 for rho < 0.
        ranks: how many phi of the lanes each polynomial has, multiples of four.
        norms: the roots of E w^2 and E w'^2 of the row.
        asked: from row ``first`` on, phi of the inputs, and below ``most`` of them these roots.
        first: see above.
        most: see above.
        columns: the inputs of the lanes, as many as a multiple of BLOCK.
        room: ``room_of_sums``.
    """
    width, rank = columns.size, 0
    for k in range(ranks.size):
        rank = max(rank, int(ranks[k]))
    phi = room[PHI : PHI + rank]
    _gather(asked, first, columns, phi)
    sums = _clenshaw(w, n, side, ranks, phi, room[:WORK], width)
    _gather(asked, first + most, columns, room[OF_E:PHI])
    size, slope = norms
    for i in range(width):
        room[OF_E, i] = room[sums, i] * (size * room[OF_E, i])
        room[OF_D, i] = room[sums + 3, i] * (slope * room[OF_D, i])
