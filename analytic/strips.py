"""Rows of the answer: scalar products in, kernels out, compiled.

Nothing depends on the number of threads or on how the rows are shared out, so neither do
the bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from analytic.duals import UNIT
from analytic.pairs import ROWS, Tile, new_tile, propagate
from analytic.tables import LANES, Program, Side

__all__ = ["chunk", "strip"]

_compile: Any = njit(nogil=True, cache=True, fastmath={"contract", "nsz"})


def chunk(features: int) -> int:
    """Features that are summed before they are added to the total, a multiple of 4."""
    return 4 * int(np.ceil(np.sqrt(features) / 4))


_chunk: Any = _compile(chunk)


@_compile
def _scalar_products(
    t: Tile, x: Any, xt: Any, features: int, row: int, end: int, lane: int
) -> None:
    """sigma becomes <x, x'>/d, summed in blocks of about sqrt(d) features in one fixed order."""
    padded = xt.shape[0]
    block = _chunk(features)
    total, part = t.sigma, t.x
    for m in range(end - row):
        total[m, :] = 0.0
    for start in range(0, padded, block):
        for m in range(end - row):
            part[m, :] = 0.0
        for k in range(start, min(start + block, padded), 4):
            _dot_four(x, xt, row, end, k, lane, part)
        for m in range(end - row):
            for j in range(LANES):
                total[m, j] += part[m, j]
    for m in range(end - row):
        for j in range(LANES):
            total[m, j] /= features


@_compile
def _dot_four(x: Any, xt: Any, row: int, end: int, k: int, lane: int, part: Any) -> None:
    stop = lane + LANES
    t = (xt[k, lane:stop], xt[k + 1, lane:stop], xt[k + 2, lane:stop], xt[k + 3, lane:stop])
    for m in range(end - row):
        i = row + m
        r = (x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3])
        for j in range(LANES):
            value = part[m, j]
            for c in range(4):
                value += r[c] * t[c][j]
            part[m, j] = value


@_compile
def _store(
    t: Tile,
    row: int,
    end: int,
    lane: int,
    stop: int,
    theta: float,
    own: bool,
    mirror: bool,
    shift: int,
    out: Any,
) -> int:
    """Write sigma + theta * Theta to out[i - shift, j], and to out[j, i] if ``mirror``.

    Returns the number of pairs that were left out; they are NaN.
    """
    left = 0
    for m in range(end - row):
        i = row + m
        for j in range(max(lane, i + 1) if own else lane, stop):
            value = t.sigma[m, j - lane] + theta * t.theta[m, j - lane]
            if t.left[m, j - lane]:
                value = np.nan
                left += 1
            out[i - shift, j] = value
    if mirror:
        for j in range(max(lane, row + 1), stop):
            for m in range(min(end, j) - row):
                out[j, row + m] = out[row + m, j]
    return left


@_compile
def strip(
    p: Program, rows: Side, columns: Side, x: Any, xt: Any, features: int, row: int, end: int,
    own: bool, mirror: bool, shift: int, nngp: Any, ntk: Any, bound: Any
) -> Any:  # fmt: skip
    """Fill the rows from ``row`` to ``end`` of the answer.

    Args:
        p: the layers.
        rows: the tables of the rows.
        columns: the tables of the columns.
        x: the inputs of the rows, (n, features padded to a multiple of 4).
        xt: the inputs of the columns, transposed, (features padded, k padded).
        features: their number.
        row: the first row.
        end: one past the last row.
        own: whether rows and columns are the same inputs: only pairs i < j are computed.
        mirror: whether to write the entries (j, i) too; the arrays must hold all rows then.
        shift: the row of the answer that the first row of the arrays stands for.
        nngp: Sigma at the readout, shape (rows, k), or without rows where not wanted; NaN
            for pairs whose |rho| exceeds the ceiling.
        ntk: Sigma + Theta, the same.
        bound: relative error bound of each row and tile, shape (n, tiles), written.

    Returns:
        (largest number of terms that was used, number of pairs left out).
    """
    tile = new_tile(max(1, int(p.opens.sum())))
    k = max(nngp.shape[1], ntk.shape[1])
    terms = left = 0
    for first in range(row, end, ROWS):
        last = min(first + ROWS, end)
        coef = rows.table[:, first:last].T.copy()
        for lane in range((first // LANES) * LANES if own else 0, xt.shape[1], LANES):
            _scalar_products(tile, x, xt, features, first, last, lane)
            used = propagate(p, tile, rows, coef, columns, first, last, lane, own)
            terms = max(terms, used)
            for m in range(last - first):
                bound[first + m, lane // LANES] = max(tile.error[0, m], tile.error[1, m]) + UNIT
            stop = min(lane + LANES, k)
            gone = 0
            if nngp.size > 0:
                gone = _store(tile, first, last, lane, stop, 0.0, own, mirror, shift, nngp)
            if ntk.size > 0:
                gone = _store(tile, first, last, lane, stop, 1.0, own, mirror, shift, ntk)
            left += gone
    return terms, left
