"""Sums of low rank (``clenshaw_lanes``) for a list of pairs, sorted by rows, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.clenshaw_lanes import (
    LOGARITHMIC,
    WIDTH,
    WORK,
    contract,
    low_rank_sums,
)
from analytic.machine import Array, aligned

__all__ = ["room_of_sums", "sum_listed_pairs"]


TOGETHER = 16
"""Rows whose coefficients are summed together."""


def room_of_sums(asked: int) -> Array:
    """Room for the sums of a table that asks for so many numbers of each input."""
    return aligned(WORK + 3 + asked, WIDTH)


@compiled
def sum_listed_pairs(
    core: Any, rank: int, terms: int, farthest: float, asked: Any, i: Any, j: Any, small: Any,
    sign: Any, room: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """What a ``LogTable`` has in the place of E, and D, relative to norms; NaN out of its range.

    Args:
        core: its numbers.
        rank: how many phi there are.
        terms: how many polynomials.
        farthest: the largest 1 - |rho|.
        asked: what it asks of each input, with norms of 1, (rank + 3, inputs).
        i: the first inputs of the pairs, in groups, (pairs,).
        j: the second ones.
        small: 1 - |rho|.
        sign: that of rho.
        room: ``room_of_sums``.
        e: where the first goes.
        d: where the second goes.
    """
    w, lanes = np.empty((TOGETHER, 4 * terms * rank)), np.empty(i.size, dtype=np.int64)
    begins, steep = np.zeros(TOGETHER + 1, dtype=np.int64), asked[rank + 2]
    e[:], d[:] = np.nan, np.nan
    while begins[0] < i.size:
        rows = _next_rows(i, begins)
        contract(core, rank, terms, asked, 0, i[begins[:rows]], w, 0)
        for m in range(rows):
            row, one = asked[:, i[begins[m]]].copy(), w[m]
            for side in range(2):
                count = 0
                for p in range(begins[m], begins[m + 1]):
                    lanes[count] = p
                    inside = small[p] <= farthest and row[rank + 2] * steep[j[p]] > 0
                    count += inside and (sign[p] > 0) == (side == 0)
                for first in range(0, count, WIDTH):
                    some = lanes[first : min(first + WIDTH, count)]
                    _sum_some(
                        one, 2 * side * rank, core, rank, terms, farthest, row, asked, some, j,
                        small, room, e, d,
                    )  # fmt: skip
        begins[0] = begins[rows]


@compiled
def _next_rows(i: Any, begins: Any) -> int:
    """Where groups of pairs of the same row begin and end, and how many these are."""
    count, p = 0, begins[0]
    while p < i.size and count < TOGETHER:
        count, p = count + 1, p + 1
        while p < i.size and i[p] == i[p - 1]:
            p += 1
        begins[count] = p
    return count


@compiled
def _sum_some(
    w: Any, begin: int, core: Any, rank: int, terms: int, farthest: float, row: Any, asked: Any,
    some: Any, j: Any, small: Any, room: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """At most WIDTH of them, of one row and one sign; the last fills what is left."""
    last, column = some.size - 1, j[some[0]]
    work, phi, found, slope = room[:WORK], room[WORK + 3 :], room[WORK + 1], room[WORK + 2]
    for lane in range(WIDTH):
        room[WORK, lane] = small[some[min(lane, last)]]
    side_by_side = last == WIDTH - 1 == j[some[last]] - column
    for b in range(rank + 3):
        if side_by_side:
            for lane in range(WIDTH):
                phi[b, lane] = asked[b, column + lane]
        else:
            for lane in range(WIDTH):
                phi[b, lane] = asked[b, j[some[min(lane, last)]]]
    low_rank_sums(
        w, begin, core, LOGARITHMIC, rank, terms, farthest, row, phi, room[WORK], work, found,
        slope,
    )  # fmt: skip
    for lane in range(some.size):
        e[some[lane]], d[some[lane]] = found[lane], slope[lane]
