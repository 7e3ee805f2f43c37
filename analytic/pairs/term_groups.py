"""How many terms of the series the pairs of a tile have, and which are left out, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise, inlined
from analytic.machine import LANES
from analytic.recursion import Bounds

__all__ = ["choose_group", "largest_sizes"]


@elementwise
def largest_sizes(b: Bounds, row: int, end: int, lane: int) -> tuple[int, int]:
    """The classes of the largest rows and of the largest columns of a tile; -1 if none have."""
    if b.row_sizes.size == 0:
        return -1, -1
    of_rows = of_columns = 0
    for m in range(row, end):
        of_rows = max(of_rows, b.row_sizes[m])
    for j in range(lane, lane + LANES):
        of_columns = max(of_columns, b.column_sizes[j])
    return of_rows, of_columns


@elementwise
def _leave_out(left: Any, rho: Any, x: Any, ceiling: float) -> None:
    """Give up the pairs of a row above the ceiling, for all layers to come."""
    for j in range(LANES):
        if left[j] or x[j] > ceiling * ceiling:
            left[j] = True
            rho[j] = 0.0
            x[j] = 0.0


@inlined
def _largest(x: Any) -> float:
    """The root of the largest entry; numbers that are not negative are in order as integers are.

    Of integers compiled code takes the largest by vectors: they have no NaN, nor has x.
    """
    bits, most = x.view(np.int64), 0
    for j in range(LANES):
        most = bits[j] if bits[j] > most else most
    largest = np.int64(most)
    return np.sqrt(largest.view(np.float64))


@inlined
def choose_group(
    x: Any, rho: Any, left: Any, departed: bool, radius: Any
) -> tuple[int, float, bool]:
    """The group of terms of a row, its largest |rho|, and whether pairs of it are left out."""
    ceiling = radius[-1]
    largest = _largest(x)
    if departed or largest > ceiling:
        departed = True
        _leave_out(left, rho, x, ceiling)
        largest = _largest(x)
    group = 0
    while radius[group] < largest:
        group += 1
    return group, largest, departed
