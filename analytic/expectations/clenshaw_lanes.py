r"""Sums of low rank (``rank_reduction``) for many pairs of one row, compiled.

The coefficients are summed with phi_a(s) of the row once; what is left of them, in phi_b(s') and
the coordinate of 1 - |rho|, is a scalar product and Clenshaw's scheme for every lane. That
coordinate is y = sqrt((1 - |rho|)/2) (``kink_tables``), a logarithm, or the inverse of a hyperbolic
sine (``logarithmic_tables``).

The k-th matrices of coefficients have as many rows and columns as matter: ``numbers`` are the
numbers of columns, those of rows, and then, of each k, C_k as (2 signs, 2, columns, rows).

Legend: work has rows of lanes; w the coefficients that are left of some rows, for each of these
side by side: of each k (2 signs, 2, columns).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.logarithm_lanes import logarithms

__all__ = [
    "CLOSE_ROWS",
    "HYPERBOLIC",
    "LOGARITHMIC",
    "TABLE",
    "TOGETHER",
    "WIDTH",
    "WORK",
    "contract",
    "low_rank_sums",
]

TABLE, LOGARITHMIC, HYPERBOLIC = 1, 3, 5
"""The kinds of these sums, by their coordinate."""

WIDTH = 128
"""Lanes that are summed together, at most."""
TOGETHER = 32
"""Rows whose coefficients are summed together."""
WORK = 7
"""Rows of lanes that the sums need beside what is asked of each input."""
CLOSE_ROWS = WORK + 3 + 46
"""With that, 1 - |rho|, E and D."""


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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
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


@compiled
def _clenshaw(w: Any, n: int, side: int, ranks: Any, phi: Any, work: Any, width: int) -> int:
    """sum_kb w_kb T_k(x) phi_b for E and for D of some lanes; work[0] holds 2 x.

    Returns the row of the sum for E; that for D is three below.
    """
    new, old, older, end = 1, 2, 3, 0
    for k in range(ranks.size):
        end += 4 * int(ranks[k])
    work[1:WORK, :width] = 0.0
    for k in range(ranks.size - 1, -1, -1):
        if k == 0:
            for i in range(width):
                work[0, i] *= 0.5
        rank = int(ranks[k])
        end -= 4 * rank
        e = end + 2 * side * rank
        d, b = e + rank, rank % 8
        if b > 0:
            _begin_four(w, n, e, d, phi, work, new, old, older, width)
        else:
            b = 8
            _begin_eight(w, n, e, d, phi, work, new, old, older, width)
        while b < rank:
            _add_eight(w, n, e + b, d + b, phi, b, work, new, width)
            b += 8
        new, old, older = older, new, old
    return old


@compiled
def _coordinates(
    kind: int, scale: float, steep: float, steeps: Any, small: Any, work: Any, width: int
) -> None:
    """Twice the argument of the polynomials, in work[0]."""
    if kind == TABLE:
        for i in range(width):
            work[0, i] = scale * np.sqrt(0.5 * small[i]) - 2.0
        return
    for i in range(width):
        whole = steep * steeps[i]
        work[0, i], work[1, i] = whole * small[i], whole * scale
    for k in range(2):
        if kind == LOGARITHMIC:
            for i in range(width):
                work[k, i] = 1.0 + work[k, i]
        else:
            for i in range(width):
                work[k, i] = np.sqrt(work[k, i]) + np.sqrt(1.0 + work[k, i])
    logarithms(work[0], work[2], work[3], width)
    logarithms(work[1], work[2], work[3], width)
    for i in range(width):
        work[0, i] = 4.0 * (work[0, i] / work[1, i]) - 2.0


@compiled
def low_rank_sums(
    w: Any, n: int, side: int, ranks: Any, kind: int, scale: float, row: Any, phi: Any,
    small: Any, work: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of pairs of one row and one sign of rho.

    Their number is best a multiple of the lanes of some vectors, and WIDTH at most.

    Args:
        w: the coefficients that ``contract`` left.
        n: which of its rows it is.
        side: 0 for rho > 0, 1 for rho < 0.
        ranks: how many phi of the lanes each polynomial has, multiples of four.
        kind: that of the coordinate.
        scale: 4 over the largest y, or the largest 1 - |rho|.
        row: what is asked of the row, (phi and 2 or 3,).
        phi: the same of the lanes, (phi and 2 or 3, lanes).
        small: 1 - |rho|, (lanes,).
        work: room, (WORK, lanes).
        e: where E goes, (lanes,).
        d: where D goes.
    """
    width = small.size
    _coordinates(kind, scale, row[-1], phi[-1], small, work, width)
    sums = _clenshaw(w, n, side, ranks, phi, work, width)
    found, slope = work[sums], work[sums + 3]
    rank = row.size - (2 if kind == TABLE else 3)
    for i in range(width):
        e[i] = found[i] * (row[rank] * phi[rank, i])
        d[i] = slope[i] * (row[rank + 1] * phi[rank + 1, i])
