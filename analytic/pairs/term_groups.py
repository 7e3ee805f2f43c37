"""How many terms of the series the pairs of a tile have, and which are left out, compiled."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.machine import LANES, REASSOCIATED
from analytic.recursion import Bounds, Tile

__all__ = ["choose_groups", "radii_of_tile"]


@compiled
def radii_of_tile(b: Bounds, row: int, end: int, lane: int) -> Any:
    """Those of all layers, larger where its rows or its columns are small inputs."""
    if b.row_sizes.size == 0:
        return b.radius
    return b.sizes[b.row_sizes[row:end].max(), b.column_sizes[lane : lane + LANES].max()]


@compiled
def _leave_out(t: Tile, m: int, ceiling: float) -> None:
    """Give up the pairs of a row above the ceiling, for all layers to come."""
    for j in range(LANES):
        if t.left[m, j] or t.x[m, j] > ceiling * ceiling:
            t.left[m, j] = True
            t.rho[m, j] = 0.0
            t.x[m, j] = 0.0


@partial(compiled, flags=REASSOCIATED)
def _largest(x: Any) -> float:
    """The root of the largest entry, by four chains of comparisons."""
    a = b = c = d = 0.0
    for j in range(0, LANES, 4):
        a = x[j] if x[j] > a else a
        b = x[j + 1] if x[j + 1] > b else b
        c = x[j + 2] if x[j + 2] > c else c
        d = x[j + 3] if x[j + 3] > d else d
    return np.sqrt(max(max(a, b), max(c, d)))


@compiled
def choose_groups(t: Tile, rows: int, radius: Any) -> None:
    """The number of terms of each row, from its largest |rho|."""
    ceiling = radius[-1]
    for m in range(rows):
        largest = _largest(t.x[m])
        if t.departed[m] or largest > ceiling:
            t.departed[m] = True
            _leave_out(t, m, ceiling)
            largest = _largest(t.x[m])
        group = 0
        while radius[group] < largest:
            group += 1
        t.group[m], t.largest[m] = group, largest
