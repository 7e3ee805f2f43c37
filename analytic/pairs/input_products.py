"""Scalar products of inputs, summed in one fixed order, compiled."""

from __future__ import annotations

import math
from typing import Any

from analytic.compilation import compiled
from analytic.machine import LANES
from analytic.recursion import Data, Tile

__all__ = ["roundings", "scalar_products"]

CHAIN = 8
"""Products that are summed one after the other; then these sums, FEATURES features at a time."""
FEATURES = 128


def roundings(features: int) -> int:
    """The largest number of roundings of a product in ``scalar_products``.

    Its own, those of the sums it is part of (the first of a sum is no rounding), and of the
    quotient.
    """
    together = min(features, FEATURES)
    sums = min(features, CHAIN) + -(-together // CHAIN) + -(-features // FEATURES) - 3
    return 1 + sums + (math.frexp(features)[0] != 0.5)


@compiled
def scalar_products(t: Tile, data: Data, row: int, end: int, lane: int) -> None:
    """sigma becomes <x, x'>/d, summed in one fixed order: see ``CHAIN``."""
    total, part, x, xt = t.sigma, t.x, data.x, data.xt
    for start in range(0, xt.shape[0], FEATURES):
        target = total if start == 0 else part
        for k in range(start, min(start + FEATURES, xt.shape[0]), CHAIN):
            _dot_eight(x, xt, row, end, k, lane, k == start, target)
        if start > 0:
            for m in range(end - row):
                for j in range(LANES):
                    total[m, j] += part[m, j]
    for m in range(end - row):
        for j in range(LANES):
            total[m, j] /= data.features


@compiled
def _dot_eight(
    x: Any, xt: Any, row: int, end: int, k: int, lane: int, fresh: bool, total: Any
) -> None:
    """Add the products of eight features."""
    stop = lane + LANES
    t = (
        xt[k, lane:stop],
        xt[k + 1, lane:stop],
        xt[k + 2, lane:stop],
        xt[k + 3, lane:stop],
        xt[k + 4, lane:stop],
        xt[k + 5, lane:stop],
        xt[k + 6, lane:stop],
        xt[k + 7, lane:stop],
    )
    for m in range(end - row):
        i = row + m
        r0, r1, r2, r3 = x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3]
        r4, r5, r6, r7 = x[i, k + 4], x[i, k + 5], x[i, k + 6], x[i, k + 7]
        r = (r0, r1, r2, r3, r4, r5, r6, r7)
        for j in range(LANES):
            value = 0.0
            for c in range(8):
                value += r[c] * t[c][j]
            total[m, j] = value if fresh else total[m, j] + value
