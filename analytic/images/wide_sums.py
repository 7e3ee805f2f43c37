"""Sums over the windows of a layer at equal positions, in extended precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.images.fields import Taps
from analytic.images.shifts import Scatter

__all__ = ["wide_window_sums"]


def wide_window_sums(
    rows: Scatter, columns: Taps, shape: tuple[int, ...], before: Any
) -> NDArray[np.longdouble]:
    """What ``analytic.images.fields.window_sums`` makes of the shift 0, (n, P) -> (n, P).

    Args:
        rows: how the rows of an image are added up.
        columns: the same for its columns.
        shape: (H, W, 1, H of a plane).
        before: one number for each position.
    """
    width, (n, size) = shape[1], before.shape
    lines = np.zeros((n, size + 2 * width), dtype=np.longdouble)
    for run in range(rows.first[0], rows.first[1]):
        to, source = (int(part[run]) * width for part in (rows.target, rows.source))
        count = int(rows.length[run]) * width
        lines[:, width + to : width + to + count] += before[:, source : source + count]
    after = np.zeros((n, size), dtype=np.longdouble)
    for tap in range(columns.first[0], columns.first[1]):
        start = width + int(columns.offset[tap])
        after += columns.mask[tap][:size] * lines[:, start : start + size]
    return after
