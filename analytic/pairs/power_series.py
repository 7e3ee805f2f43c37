"""Power series of many pairs at once: Horner's scheme and its derivative, compiled."""

from __future__ import annotations

from typing import Any

from analytic.compilation import compiled
from analytic.machine import LANES
from analytic.recursion import Tile

__all__ = ["series"]


@compiled
def _four(
    table: Any, coef: Any, k: int, lane: int, block: int, last: Any, x: Any, value: Any, slope: Any
) -> None:
    """Four steps of Horner's scheme and of its derivative, p_k = coef[m, k] table[k, lane].

    A row m takes part if ``block`` <= ``last[m]``, and starts from 0 where they are equal.
    """
    end = lane + LANES
    t = (table[k, lane:end], table[k + 1, lane:end], table[k + 2, lane:end], table[k + 3, lane:end])
    for m in range(last.size):
        if last[m] < block:
            continue
        fresh = last[m] == block
        r = (coef[m, k], coef[m, k + 1], coef[m, k + 2], coef[m, k + 3])
        for j in range(LANES):
            y = x[m, j]
            v = 0.0 if fresh else value[m, j]
            d = 0.0 if fresh else slope[m, j]
            for i in range(4):
                d = d * y + v
                v = v * y + r[3 - i] * t[3 - i][j]
            value[m, j] = v
            slope[m, j] = d


@compiled
def series(
    t: Tile, table: Any, coef: Any, first: int, terms: int, lane: int, value: Any, slope: Any
) -> None:
    """value becomes sum_k p_k x^k, slope its derivative, with 4 (group + 1) terms a row."""
    if terms == 0:
        value[:, :] = 0.0
        slope[:, :] = 0.0
        return
    most = 0
    for m in range(coef.shape[0]):
        t.last[m] = min(t.group[m], terms // 4 - 1)
        most = max(most, t.last[m])
    last = t.last[: coef.shape[0]]
    for block in range(most, -1, -1):
        _four(table, coef, first + 4 * block, lane, block, last, t.x, value, slope)
