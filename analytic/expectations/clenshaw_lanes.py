r"""Sums of low rank (``rank_reduction``) for many pairs of one row, compiled.

The coefficients are summed with phi_a(s) of the row once; what is left of them, in phi_b(s') and
the coordinate of 1 - |rho|, is a scalar product and Clenshaw's scheme for every lane. That
coordinate is y = sqrt((1 - |rho|)/2) (``kink_tables``) or a logarithm (``logarithmic_tables``).

Legend: work has rows of lanes; w the coefficients that are left, (terms, 2 signs, 2, rank).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.logarithm_lanes import logarithms

__all__ = ["CLOSE_ROWS", "LOGARITHMIC", "TABLE", "WIDTH", "WORK", "contract", "low_rank_sums"]

TABLE, LOGARITHMIC = 1, 3
"""The kinds of these sums, by their coordinate."""

WIDTH = 128
"""Lanes that are summed together."""
WORK = 7
"""Rows of lanes that the sums need beside what is asked of each input."""
CLOSE_ROWS = WORK + 3 + 46
"""With that, 1 - |rho|, E and D."""


@compiled
def contract(
    core: Any, rank: int, terms: int, asked: Any, first: int, inputs: Any, w: Any, begin: int
) -> None:
    """Sum the coefficients, of both signs of rho, for E and D, with phi_a(s) of some rows.

    The coefficients may be more than the caches hold: all rows are summed as they pass.

    Args:
        core: how many phi each polynomial has, and coefficients (``SumTable.numbers``).
        rank: how many phi there are.
        terms: how many polynomials.
        asked: phi of inputs, from row ``first`` on, (rows, inputs).
        first: see above.
        inputs: which of them are summed.
        w: room for the coefficients that are left of each, (inputs, numbers).
        begin: where they stand, (terms, 2 signs, 2, rank).
    """
    wide, count = 4 * rank, inputs.size
    part, lines = np.empty((count, wide)), core[terms:][: terms * rank * wide]
    lines = lines.reshape((terms * rank, wide))
    for k in range(terms):
        part[:, :] = 0.0
        for a in range(0, int(core[k]), 4):
            for m in range(count):
                _add_lines(lines, k * rank + a, asked, first + a, inputs[m], part, m)
        for m in range(count):
            w[m][begin + k * wide : begin + (k + 1) * wide] = part[m]


@compiled
def _add_lines(lines: Any, k: int, asked: Any, a: int, i: int, part: Any, m: int) -> None:
    """Four of them for one input."""
    r0, r1, r2, r3 = asked[a, i], asked[a + 1, i], asked[a + 2, i], asked[a + 3, i]
    for c in range(part.shape[1]):
        low, high = r0 * lines[k, c] + r1 * lines[k + 1, c], r2 * lines[k + 2, c]
        part[m, c] += low + (high + r3 * lines[k + 3, c])


@compiled
def _add_eight(w: Any, k: int, m: int, p: Any, b: int, work: Any, row: int) -> None:
    """Add eight products to the sums of E and of D, which share phi."""
    w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
    w4, w5, w6, w7 = w[k + 4], w[k + 5], w[k + 6], w[k + 7]
    v0, v1, v2, v3 = w[m], w[m + 1], w[m + 2], w[m + 3]
    v4, v5, v6, v7 = w[m + 4], w[m + 5], w[m + 6], w[m + 7]
    for i in range(WIDTH):
        total, slope = work[row, i] + w0 * p[b, i], work[row + 3, i] + v0 * p[b, i]
        total, slope = total + w1 * p[b + 1, i], slope + v1 * p[b + 1, i]
        total, slope = total + w2 * p[b + 2, i], slope + v2 * p[b + 2, i]
        total, slope = total + w3 * p[b + 3, i], slope + v3 * p[b + 3, i]
        total, slope = total + w4 * p[b + 4, i], slope + v4 * p[b + 4, i]
        total, slope = total + w5 * p[b + 5, i], slope + v5 * p[b + 5, i]
        total, slope = total + w6 * p[b + 6, i], slope + v6 * p[b + 6, i]
        work[row, i], work[row + 3, i] = total + w7 * p[b + 7, i], slope + v7 * p[b + 7, i]


@compiled
def _add_four(w: Any, k: int, m: int, p: Any, b: int, work: Any, row: int) -> None:
    """The same with four."""
    w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
    v0, v1, v2, v3 = w[m], w[m + 1], w[m + 2], w[m + 3]
    for i in range(WIDTH):
        total, slope = work[row, i] + w0 * p[b, i], work[row + 3, i] + v0 * p[b, i]
        total, slope = total + w1 * p[b + 1, i], slope + v1 * p[b + 1, i]
        total, slope = total + w2 * p[b + 2, i], slope + v2 * p[b + 2, i]
        work[row, i], work[row + 3, i] = total + w3 * p[b + 3, i], slope + v3 * p[b + 3, i]


@compiled
def _begin(w: Any, k: int, m: int, p: Any, work: Any, new: int, old: int, older: int) -> None:
    """A step of Clenshaw's scheme with the first four products."""
    w0, w1, w2, w3 = w[k], w[k + 1], w[k + 2], w[k + 3]
    v0, v1, v2, v3 = w[m], w[m + 1], w[m + 2], w[m + 3]
    for i in range(WIDTH):
        total = work[0, i] * work[old, i] - work[older, i]
        slope = work[0, i] * work[old + 3, i] - work[older + 3, i]
        total, slope = total + w0 * p[0, i], slope + v0 * p[0, i]
        total, slope = total + w1 * p[1, i], slope + v1 * p[1, i]
        total, slope = total + w2 * p[2, i], slope + v2 * p[2, i]
        work[new, i], work[new + 3, i] = total + w3 * p[3, i], slope + v3 * p[3, i]


@compiled
def _clenshaw(
    w: Any, first: int, ranks: Any, rank: int, terms: int, phi: Any, work: Any
) -> int:  # fmt: skip
    """sum_kb w_kb T_k(x) phi_b for E and for D of WIDTH lanes; work[0] holds 2 x.

    Returns the row of the sum for E; that for D is three below.
    """
    new, old, older = 1, 2, 3
    work[1:WORK, :] = 0.0
    for k in range(terms - 1, -1, -1):
        if k == 0:
            for i in range(WIDTH):
                work[0, i] *= 0.5
        b, last, place = 4, int(ranks[k]), first + 4 * k * rank
        _begin(w, place, place + rank, phi, work, new, old, older)
        while b + 8 <= last:
            _add_eight(w, place + b, place + rank + b, phi, b, work, new)
            b += 8
        if b < last:
            _add_four(w, place + b, place + rank + b, phi, b, work, new)
        new, old, older = older, new, old
    return old


@compiled
def _coordinates(kind: int, scale: float, steep: float, steeps: Any, small: Any, work: Any) -> None:
    """Twice the argument of the polynomials, in work[0]."""
    if kind == TABLE:
        for i in range(WIDTH):
            work[0, i] = scale * np.sqrt(0.5 * small[i]) - 2.0
        return
    for i in range(WIDTH):
        whole = steep * steeps[i]
        work[0, i], work[1, i] = 1.0 + whole * small[i], 1.0 + whole * scale
    logarithms(work[0], work[2], work[3], WIDTH)
    logarithms(work[1], work[2], work[3], WIDTH)
    for i in range(WIDTH):
        work[0, i] = 4.0 * (work[0, i] / work[1, i]) - 2.0


@compiled
def low_rank_sums(
    w: Any, first: int, ranks: Any, kind: int, rank: int, terms: int, scale: float, row: Any,
    phi: Any, small: Any, work: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """E w(u) w(v) and E w'(u) w'(v) of WIDTH pairs of one row and one sign of rho.

    Args:
        w: the coefficients that ``contract`` left.
        first: where those of this sign begin.
        ranks: how many phi each polynomial has.
        kind: that of the coordinate.
        rank: how many phi there are, a multiple of four.
        terms: how many polynomials in the coordinate.
        scale: 4 over the largest y, or the largest 1 - |rho|.
        row: what is asked of the row, (rank + 2 or 3,).
        phi: the same of the lanes, (rank + 2 or 3, lanes).
        small: 1 - |rho|, (lanes,).
        work: room, (WORK, lanes).
        e: where E goes, (lanes,).
        d: where D goes.
    """
    _coordinates(kind, scale, row[-1], phi[-1], small, work)
    sums = _clenshaw(w, first, ranks, rank, terms, phi, work)
    found, slope = work[sums], work[sums + 3]
    for i in range(WIDTH):
        e[i] = found[i] * (row[rank] * phi[rank, i])
        d[i] = slope[i] * (row[rank + 1] * phi[rank + 1, i])
