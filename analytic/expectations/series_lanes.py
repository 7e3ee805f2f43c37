"""Chebyshev series at nodes that pairs share, compiled: their sums run in step."""

from __future__ import annotations

from typing import Any

from analytic.compilation import elementwise

__all__ = ["TOGETHER", "chebyshev_lanes", "evaluate_lanes"]

TOGETHER = 32
"""Pairs whose sums run in step: the length of the loops."""


@elementwise
def chebyshev_lanes(x: Any, t: Any, terms: int) -> None:
    """t[j] = T_j at the x of every lane, j < terms, rows of TOGETHER one after the other."""
    for i in range(TOGETHER):
        t[i] = 1.0
        t[TOGETHER + i] = x[i]
    for j in range(2, terms):
        one, two = (j - 1) * TOGETHER, (j - 2) * TOGETHER
        for i in range(TOGETHER):
            t[j * TOGETHER + i] = 2 * x[i] * t[one + i] - t[two + i]


@elementwise
def evaluate_lanes(
    table: Any, degrees: Any, k: int, q: int, room: Any, t: Any, at: int, out: int
) -> None:
    """Row ``out`` + c = sum_j t[j] table[k, q, c, j] at node q; t[0] stands at row ``at``, too."""
    for c in range(table.shape[2]):
        row, count = out + c, degrees[k, q, c]
        if count > 12:
            _sixteen(table, k, q, c, t, room, row)
        elif count > 4:
            _eight(table, k, q, c, t, room, row)
        else:
            for i in range(TOGETHER):
                room[row, i] = 0.0
        if count % 8 != 0:
            _add_four(table, k, q, c, count - 4, room, at + count - 4, row)


@elementwise
def _sixteen(table: Any, k: int, q: int, c: int, t: Any, room: Any, row: int) -> None:
    """The first sixteen terms of the series at a node."""
    a0, a1, a2, a3 = table[k, q, c, 0], table[k, q, c, 1], table[k, q, c, 2], table[k, q, c, 3]
    a4, a5, a6, a7 = table[k, q, c, 4], table[k, q, c, 5], table[k, q, c, 6], table[k, q, c, 7]
    b0, b1, b2, b3 = table[k, q, c, 8], table[k, q, c, 9], table[k, q, c, 10], table[k, q, c, 11]
    b4, b5, b6, b7 = table[k, q, c, 12], table[k, q, c, 13], table[k, q, c, 14], table[k, q, c, 15]
    n = TOGETHER
    for i in range(TOGETHER):
        low = (t[i] * a0 + t[n + i] * a1 + t[2 * n + i] * a2 + t[3 * n + i] * a3) + (
            t[4 * n + i] * a4 + t[5 * n + i] * a5 + t[6 * n + i] * a6 + t[7 * n + i] * a7
        )
        high = (t[8 * n + i] * b0 + t[9 * n + i] * b1 + t[10 * n + i] * b2 + t[11 * n + i] * b3) + (
            t[12 * n + i] * b4 + t[13 * n + i] * b5 + t[14 * n + i] * b6 + t[15 * n + i] * b7
        )
        room[row, i] = low + high


@elementwise
def _eight(table: Any, k: int, q: int, c: int, t: Any, room: Any, row: int) -> None:
    """The first eight."""
    a0, a1, a2, a3 = table[k, q, c, 0], table[k, q, c, 1], table[k, q, c, 2], table[k, q, c, 3]
    a4, a5, a6, a7 = table[k, q, c, 4], table[k, q, c, 5], table[k, q, c, 6], table[k, q, c, 7]
    n = TOGETHER
    for i in range(TOGETHER):
        room[row, i] = (t[i] * a0 + t[n + i] * a1 + t[2 * n + i] * a2 + t[3 * n + i] * a3) + (
            t[4 * n + i] * a4 + t[5 * n + i] * a5 + t[6 * n + i] * a6 + t[7 * n + i] * a7
        )


@elementwise
def _add_four(table: Any, k: int, q: int, c: int, first: int, room: Any, t: int, row: int) -> None:
    """Add four terms from the ``first`` on, whose polynomials stand from row ``t`` on."""
    a0, a1 = table[k, q, c, first], table[k, q, c, first + 1]
    a2, a3 = table[k, q, c, first + 2], table[k, q, c, first + 3]
    for i in range(TOGETHER):
        low, high = room[t, i] * a0 + room[t + 1, i] * a1, room[t + 2, i] * a2
        room[row, i] += low + high + room[t + 3, i] * a3
