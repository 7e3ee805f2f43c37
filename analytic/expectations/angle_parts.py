r"""Coordinates of the angles of pairs, and the parts of their range, compiled.

Tables of sums of low rank (``rank_reduction``) are polynomials in a coordinate x of 1 - |rho|: in
y = sqrt((1 - |rho|)/2) (``kink_tables``), a logarithm, or the inverse of a hyperbolic sine
(``logarithmic_tables``), each over its largest value. The range [0, 1] has PARTS with coefficients
of their own, so that pairs are summed part by part, and those of each sign of rho by themselves.

Legend: the place of a pair is x, negative or NaN where no table serves; the key of a part and
a side (0 for rho > 0, 1 for rho < 0) is 2 part + side.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.logarithm_lanes import logarithms

__all__ = [
    "EDGES",
    "HYPERBOLIC",
    "KEYS",
    "LOGARITHMIC",
    "PARTS",
    "TABLE",
    "argument_in",
    "places_of",
    "sides_in",
    "sort_by_keys",
]

TABLE, LOGARITHMIC, HYPERBOLIC = 1, 3, 5
"""The kinds of tables, by their coordinate."""
EDGES = (0.0, 1 / 32, 1 / 4, 1 / 2, 3 / 4, 1.0)
"""Where the parts end: the first is for inputs on a line, whose biases are small beside them."""
PARTS = len(EDGES) - 1
"""More of them have shorter sums, but more coefficients: on four equal parts the sums have a third
of the products of the whole, on eight a quarter."""
KEYS = 2 * PARTS


@elementwise
def places_of(
    kind: int, scale: float, steep: float, steeps: Any, small: Any, work: Any, width: int
) -> None:
    """The places of pairs of one row, in work[0].

    Args:
        kind: that of the coordinate.
        scale: 1 over the largest y, or the largest 1 - |rho|.
        steep: beta s of the row, 0 out of range.
        steeps: that of the lanes; a TABLE has neither.
        small: 1 - |rho|, (lanes,).
        work: room, (4, lanes).
        width: how many lanes.
    """
    if kind == TABLE:
        for i in range(width):
            work[0, i] = scale * np.sqrt(0.5 * small[i])
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
    for i in range(width):  # the logarithm of 1 is a rounding, of either sign
        place = work[0, i] / work[1, i]
        place = place if place > 0.0 else 0.0
        work[0, i] = place if steep * steeps[i] > 0.0 else -1.0


@elementwise
def argument_in(place: float, part: int) -> float:
    """Twice the argument of the polynomials of a part."""
    low, high = EDGES[part], EDGES[part + 1]
    return 4.0 * (place - low) / (high - low) - 2.0


@elementwise
def _key_of(place: float, sign: float) -> int:
    part = 0
    for k in range(1, PARTS):
        part += place >= EDGES[k]
    return 2 * part + (0 if sign > 0 else 1)


@elementwise
def _are_alike(place: Any, sign: Any) -> bool:
    """Whether all lanes are of one key."""
    lowest, highest, served, turned = place[0], place[0], 0, 0
    for j in range(place.size):
        lowest = place[j] if place[j] < lowest else lowest
        highest = place[j] if place[j] > highest else highest
        served += place[j] >= 0.0
        turned += sign[j] > 0
    return (
        served == place.size
        and (turned == 0 or turned == place.size)
        and _key_of(lowest, 1.0) == _key_of(highest, 1.0)
    )


@elementwise
def sort_by_keys(place: Any, sign: Any, order: Any, starts: Any) -> None:
    """The lanes of each key one after the other; those that no table serves are left out.

    Args:
        place: those of the lanes, (lanes,).
        sign: their rho, or its sign.
        order: where the lanes go.
        starts: where those of each key begin, and the last of them end, (KEYS + 1,).
    """
    if _are_alike(place, sign):
        key = _key_of(place[0], sign[0])
        starts[: key + 1], starts[key + 1 :] = 0, place.size
        for j in range(place.size):
            order[j] = j
        return
    starts[:] = 0
    for j in range(place.size):
        if place[j] >= 0.0:
            starts[_key_of(place[j], sign[j])] += 1
    total = 0
    for key in range(KEYS):
        total += starts[key]
        starts[key] = total
    starts[KEYS] = total
    for j in range(place.size - 1, -1, -1):
        if place[j] >= 0.0:
            key = _key_of(place[j], sign[j])
            starts[key] -= 1
            order[starts[key]] = j


@elementwise
def sides_in(starts: Any, rows: int, part: int) -> tuple[int, int]:
    """From which sign of rho to which the first rows have lanes in a part: (0, 2) are both."""
    low, high = 2, 0
    for m in range(rows):
        for side in range(2):
            if starts[m, 2 * part + side + 1] > starts[m, 2 * part + side]:
                low, high = min(low, side), max(high, side + 1)
    return min(low, high), high
