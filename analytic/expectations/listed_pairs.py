"""Sums of low rank (``clenshaw_lanes``) for a list of pairs, sorted by rows, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.expectations.angle_parts import (
    KEYS,
    PARTS,
    argument_in,
    places_of,
    sides_in,
    sort_by_keys,
)
from analytic.expectations.clenshaw_lanes import (
    BLOCK,
    OF_D,
    OF_E,
    TOGETHER,
    WIDTH,
    contract,
    low_rank_sums,
)
from analytic.machine import LANES

__all__ = ["sum_listed_pairs"]


BESIDE = 3
"""Numbers that are asked of each input beside psi."""


@compiled
def sum_listed_pairs(
    kind: int, numbers: Any, bands: Any, width: int, terms: int, farthest: float, rows: Any,
    columns: Any, i: Any, j: Any, small: Any, sign: Any, room: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """What a ``LogTable`` has in the place of E, and D, relative to norms; NaN out of its range.

    Args:
        kind: that of its coordinate.
        numbers: its numbers for all pairs of bands of inputs (``Banded``).
        bands: how many psi each has, and where the numbers of its parts begin.
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
    w, order = np.empty((4 * terms * most, TOGETHER)), np.empty(i.size, dtype=np.int64)
    begins, stops = np.zeros(TOGETHER + 1, dtype=np.int64), np.zeros(TOGETHER, dtype=np.int64)
    chosen, inputs = np.zeros((2, TOGETHER), dtype=np.int64)
    keys = np.zeros((TOGETHER, KEYS + 1), dtype=np.int64)
    e[:], d[:] = np.nan, np.nan
    place = _places(kind, farthest, rows, columns, i, j, small)
    while begins[0] < i.size:
        many = _next_rows(i, width, begins)
        starts = begins[:many].copy()
        band = i[begins[0]] // width
        for q in range(bands.shape[1]):
            if bands[band, q, 0] == 0:  # of the same inputs, rows behind columns
                continue
            count = _next_band(j, width, q, starts, stops, begins, many, chosen)
            for n in range(count):
                m = chosen[n]
                inputs[n], part = i[starts[m]], slice(starts[m], stops[m])
                sort_by_keys(place[part], sign[part], order[part], keys[n])
            for part in range(PARTS if count > 0 else 0):
                sides = sides_in(keys, count, part)
                if sides[0] == sides[1]:
                    continue
                core = numbers[bands[band, q, 1 + part] :]
                contract(core, terms, rows, 0, inputs[:count], sides, w)
                for n in range(count):
                    start = starts[chosen[n]]
                    norms = rows[most, inputs[n]], rows[most + 1, inputs[n]]
                    for side in range(sides[0], sides[1]):
                        key = 2 * part + side
                        some = order[start + keys[n, key] : start + keys[n, key + 1]]
                        for first in range(0, some.size, WIDTH):
                            _sum_some(
                                w, n, part, side, core[:terms], norms, columns,
                                some[first : first + WIDTH] + start, j, place, room, e, d,
                            )  # fmt: skip
            starts[:] = stops[:many]
        begins[0] = begins[many]


@compiled
def _places(kind: int, farthest: float, rows: Any, columns: Any, i: Any, j: Any, small: Any) -> Any:
    """Where the pairs stand in the table, negative or NaN where it serves not."""
    found, last = np.empty(i.size), rows.shape[0] - 1
    room, steeps, one = np.empty((4, LANES)), np.empty(LANES), np.empty(LANES)
    for start in range(0, i.size, LANES):
        count = min(LANES, i.size - start)
        for k in range(count):
            p = start + k
            steeps[k], one[k] = rows[last, i[p]] * columns[last, j[p]], small[p]
        places_of(kind, farthest, 1.0, steeps, one, room, count)
        for k in range(count):
            found[start + k] = room[0, k] if one[k] <= farthest else -1.0
    return found


@elementwise
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


@elementwise
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
def _sum_some(
    w: Any, n: int, part: int, side: int, ranks: Any, norms: Any, asked: Any, some: Any, j: Any,
    place: Any, room: Any, e: Any, d: Any,
) -> None:  # fmt: skip
    """At most WIDTH of them, of one row, band, part and sign; the last fills what is left."""
    width, last = BLOCK * -(-some.size // BLOCK), some.size - 1
    columns = np.empty(width, dtype=np.int64)
    for k in range(width):
        p = some[min(k, last)]
        columns[k], room[0, k] = j[p], argument_in(place[p], part)
    low_rank_sums(w, n, side, ranks, norms, asked, 0, asked.shape[0] - BESIDE, columns, room)
    for k in range(some.size):
        e[some[k]], d[some[k]] = room[OF_E, k], room[OF_D, k]
