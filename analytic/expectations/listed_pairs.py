"""Sums of low rank (``clenshaw_lanes``) for a list of pairs, sorted by rows, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.expectations.clenshaw_lanes import (
    TOGETHER,
    WIDTH,
    WORK,
    contract,
    low_rank_sums,
)
from analytic.machine import Array, aligned

__all__ = ["room_of_sums", "sum_listed_pairs"]


BESIDE = 3
"""Numbers that are asked of each input beside psi."""


def room_of_sums(asked: int) -> Array:
    """Room for the sums of a table that asks for so many numbers of each input."""
    return aligned(WORK + 3 + asked, WIDTH)


@compiled
def sum_listed_pairs(
    kind: int, numbers: Any, bands: Any, width: int, terms: int, farthest: float, rows: Any,
    columns: Any, i: Any, j: Any, small: Any, sign: Any, room: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """What a ``LogTable`` has in the place of E, and D, relative to norms; NaN out of its range.

    Args:
        kind: that of its coordinate.
        numbers: its numbers for all pairs of bands of inputs (``Banded``).
        bands: how many psi each has, and where its numbers begin.
        width: inputs of a band.
        terms: how many polynomials.
        farthest: the largest 1 - |rho|.
        rows: what it asks of each input, with norms of 1.
        columns: the same of the second ones of pairs.
        i: the rows of the pairs, sorted, (pairs,).
        j: their columns, larger than the rows if they are the same inputs, sorted where the row
            is the same.
        small: 1 - |rho|.
        sign: that of rho.
        room: ``room_of_sums``.
        e: where the first goes.
        d: where the second goes.
    """
    most = rows.shape[0] - BESIDE
    w, lanes = np.empty((4 * terms * most, TOGETHER)), np.empty(i.size, dtype=np.int64)
    begins, stops = np.zeros(TOGETHER + 1, dtype=np.int64), np.zeros(TOGETHER, dtype=np.int64)
    chosen, inputs = np.zeros((2, TOGETHER), dtype=np.int64)
    row = np.empty(most + BESIDE)
    e[:], d[:] = np.nan, np.nan
    while begins[0] < i.size:
        many = _next_rows(i, width, begins)
        starts = begins[:many].copy()
        band = i[begins[0]] // width
        for q in range(bands.shape[1]):
            rank, place = bands[band, q]
            if rank == 0:  # of the same inputs, rows behind columns
                continue
            count = _next_band(j, width, q, starts, stops, begins, many, chosen)
            for n in range(count):
                inputs[n] = i[starts[chosen[n]]]
            sides = (0, 0)
            if count > 0:
                sides = _sides(sign, starts, stops, chosen, count)
                contract(numbers[place:], terms, rows, 0, inputs[:count], sides, w)
            for n in range(count):
                m = chosen[n]
                _read(rows, rank, inputs[n], row)
                for side in range(sides[0], sides[1]):
                    some = _lanes(
                        starts[m], stops[m], side, farthest, row[rank + 2], columns, j, small,
                        sign, lanes,
                    )  # fmt: skip
                    for first in range(0, some, WIDTH):
                        _sum_some(
                            kind, w, n, side, numbers[place : place + terms], farthest,
                            row[: rank + BESIDE], columns, lanes[first : min(first + WIDTH, some)],
                            j, small, room, e, d,
                        )  # fmt: skip
            starts[:] = stops[:many]
        begins[0] = begins[many]


@compiled
def _next_rows(i: Any, width: int, begins: Any) -> int:
    """Where the pairs of the next rows of a band begin and end, and how many these are."""
    count, p = 0, begins[0]
    band = i[p] // width
    while p < i.size and count < TOGETHER and i[p] // width == band:
        count, p = count + 1, p + 1
        while p < i.size and i[p] == i[p - 1]:
            p += 1
        begins[count] = p
    return count


@compiled
def _next_band(
    j: Any, width: int, q: int, starts: Any, stops: Any, begins: Any, rows: int, chosen: Any
) -> int:
    """Where the pairs of each row end that are of a band, and the rows that have some."""
    count = 0
    for m in range(rows):
        p = starts[m]
        while p < begins[m + 1] and j[p] // width == q:
            p += 1
        stops[m] = p
        if p > starts[m]:
            chosen[count] = m
            count += 1
    return count


@compiled
def _sides(sign: Any, starts: Any, stops: Any, chosen: Any, count: int) -> Any:
    """From which sign of rho to which there are pairs."""
    low, high = 1, 1
    for n in range(count):
        for p in range(starts[chosen[n]], stops[chosen[n]]):
            low = 0 if sign[p] > 0 else low
            high = high if sign[p] > 0 else 2
    return low, high


@compiled
def _read(asked: Any, rank: int, i: int, row: Any) -> None:
    """What is asked of an input: its psi and what is beside them."""
    most = asked.shape[0] - BESIDE
    for b in range(rank):
        row[b] = asked[b, i]
    for b in range(BESIDE):
        row[rank + b] = asked[most + b, i]


@compiled
def _lanes(
    start: int, stop: int, side: int, farthest: float, steep: float, asked: Any, j: Any,
    small: Any, sign: Any, lanes: Any,
) -> int:  # fmt: skip
    """The pairs of one sign that the table serves, and their number."""
    count, last = 0, asked.shape[0] - 1
    for p in range(start, stop):
        lanes[count] = p
        inside = small[p] <= farthest and steep * asked[last, j[p]] > 0
        count += inside and (sign[p] > 0) == (side == 0)
    return count


@compiled
def _sum_some(
    kind: int, w: Any, n: int, side: int, ranks: Any, farthest: float, row: Any, asked: Any,
    some: Any, j: Any, small: Any, room: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """At most WIDTH of them, of one row, one band and one sign; the last fills what is left."""
    last, column, rank, most = some.size - 1, j[some[0]], row.size - BESIDE, len(asked) - BESIDE
    work, phi, found, slope = room[:WORK], room[WORK + 3 :], room[WORK + 1], room[WORK + 2]
    for lane in range(WIDTH):
        room[WORK, lane] = small[some[min(lane, last)]]
    side_by_side = last == WIDTH - 1 == j[some[last]] - column
    for b in range(rank + BESIDE):
        source = b if b < rank else most + b - rank
        if side_by_side:
            for lane in range(WIDTH):
                phi[b, lane] = asked[source, column + lane]
        else:
            for lane in range(WIDTH):
                phi[b, lane] = asked[source, j[some[min(lane, last)]]]
    low_rank_sums(
        w, n, side, ranks, kind, farthest, row, phi[: rank + BESIDE], room[WORK], work,
        found, slope,
    )  # fmt: skip
    for lane in range(some.size):
        e[some[lane]], d[some[lane]] = found[lane], slope[lane]
