"""Chebyshev series of many columns at many inputs: the tables of an octave at given s."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.expectations.node_tables import FIRST
from analytic.expectations.quadrature import twofold_product, twofold_sum
from analytic.expectations.segments import Segment
from analytic.expectations.small_deviations import Origin
from analytic.machine import LANES, Array

__all__ = ["fill"]


def fill(
    part: Segment | Origin, columns: slice, s: Array, chosen: NDArray[np.intp], table: Array
) -> None:
    """Some columns of a segment for the chosen inputs."""
    if isinstance(part, Origin):
        table[:, chosen] = part.table(s[chosen], columns.stop - FIRST)[columns]
    else:
        series = np.ascontiguousarray(part.series[:, columns])
        _evaluate(series, part.low, part.high, s, chosen, table)
        powers = (
            part.powers[columns.start : FIRST] if columns.stop == FIRST else part.powers[FIRST:]
        )
        if powers.any():
            table[:, chosen] *= s[chosen] ** powers[:, None].astype(np.float64)


@compiled
def _evaluate(series: Any, low: float, high: float, s: Any, members: Any, table: Any) -> None:
    """table[c, i] <- sum_j series[j, c] T_j(t(s_i)) for i in members.

    t is exact, for low and high are powers of 2 or 0. The recurrence of T_j amplifies roundings by
    j^2, so that it runs in twice the digits.
    """
    points = series.shape[0]
    chebyshev = np.empty((points, LANES))  # T_j(t) of a block of inputs
    low_bits = np.empty((points, LANES))
    columns = np.empty((4, LANES))
    for start in range(0, members.size, LANES):
        count = min(LANES, members.size - start)
        for i in range(LANES):
            last = members[start + min(i, count - 1)]
            chebyshev[0, i], low_bits[0, i] = 1.0, 0.0
            chebyshev[1, i], low_bits[1, i] = (2.0 * s[last] - low - high) / (high - low), 0.0
        for j in range(2, points):
            for i in range(LANES):
                a, b = twofold_product(
                    chebyshev[1, i], 0.0, chebyshev[j - 1, i], low_bits[j - 1, i]
                )
                chebyshev[j, i], low_bits[j, i] = twofold_sum(
                    2.0 * a, 2.0 * b, -chebyshev[j - 2, i], -low_bits[j - 2, i]
                )
        for c in range(0, table.shape[0], 4):
            last = table.shape[0] - 1
            wanted = (c, min(c + 1, last), min(c + 2, last), min(c + 3, last))
            columns[:] = 0.0
            for j in range(points - 4, -1, -4):
                _add_four(series, chebyshev, j, wanted, columns)
            for k in range(min(4, table.shape[0] - c)):
                for i in range(count):
                    table[c + k, members[start + i]] = columns[k, i]


@compiled
def _add_four(series: Any, chebyshev: Any, j: int, wanted: Any, columns: Any) -> None:
    """Four terms of four columns."""
    t = (chebyshev[j], chebyshev[j + 1], chebyshev[j + 2], chebyshev[j + 3])
    a0, a1, a2, a3 = series[j], series[j + 1], series[j + 2], series[j + 3]
    b0, b1, b2, b3 = wanted
    p = (a3[b0], a2[b0], a1[b0], a0[b0])
    q = (a3[b1], a2[b1], a1[b1], a0[b1])
    r = (a3[b2], a2[b2], a1[b2], a0[b2])
    u = (a3[b3], a2[b3], a1[b3], a0[b3])
    c0, c1, c2, c3 = columns[0], columns[1], columns[2], columns[3]
    for i in range(LANES):
        v0, v1, v2, v3 = c0[i], c1[i], c2[i], c3[i]
        for k in range(4):
            x = t[3 - k][i]
            v0 += p[k] * x
            v1 += q[k] * x
            v2 += r[k] * x
            v3 += u[k] * x
        c0[i] = v0
        c1[i] = v1
        c2[i] = v2
        c3[i] = v3
