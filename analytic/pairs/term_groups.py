"""How many terms of the series the pairs of a tile have, and which are left out, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise, inlined
from analytic.machine import LANES
from analytic.recursion import Bounds

__all__ = ["choose_group", "largest_of", "largest_sizes", "order_of"]


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
def order_of(x: float) -> Any:
    """A whole number for a float64 that is not negative, in the same order.

    Of whole numbers compiled code takes the largest by vectors: they have no NaN.
    """
    return np.float64(x).view(np.int64)


@inlined
def _number_of(order: int) -> float:
    """The number whose ``order_of`` is given."""
    return np.int64(order).view(np.float64)


@inlined
def largest_of(x: Any) -> float:
    """The largest of LANES numbers, none of which is negative."""
    most = 0
    for j in range(LANES):
        order = order_of(x[j])
        most = order if order > most else most
    return _number_of(most)


@inlined
def choose_group(
    most: int, x: Any, rho: Any, left: Any, departed: bool, radius: Any
) -> tuple[int, float, bool]:
    """The group of terms of a row, its largest |rho|, and whether pairs of it are left out.

    Args:
        most: the ``order_of`` the largest x.
        x: rho^2 of its pairs.
        rho: their rho.
        left: which of them are left out.
        departed: whether any is.
        radius: the largest |rho| that each group serves.
    """
    ceiling = radius[-1]
    largest = np.sqrt(_number_of(most))
    if departed or largest > ceiling:
        departed = True
        _leave_out(left, rho, x, ceiling)
        largest = np.sqrt(largest_of(x))
    group = 0
    while radius[group] < largest:
        group += 1
    return group, largest, departed
