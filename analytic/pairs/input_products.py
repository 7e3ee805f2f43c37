"""Scalar products of inputs, summed in one fixed order, compiled."""

from __future__ import annotations

import math
from typing import Any

from analytic.compilation import elementwise
from analytic.machine import LANES
from analytic.recursion import Data, Tile
from analytic.vector_blocks import BLOCK, add_products

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


@elementwise
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
    exact = data.features & (data.features - 1) == 0  # a power of 2: a product has the same bits
    inverse = 1.0 / data.features
    for m in range(end - row):
        if exact:
            for j in range(LANES):
                total[m, j] *= inverse
        else:
            for j in range(LANES):
                total[m, j] /= data.features


@elementwise
def _dot_eight(
    x: Any, xt: Any, row: int, end: int, k: int, lane: int, fresh: bool, total: Any
) -> None:
    """Add the products of eight features, of two rows at a time: they share what is loaded."""
    for m in range(0, end - row - 1, 2):
        p, q = _eight(x, row + m, k), _eight(x, row + m + 1, k)
        if fresh:  # a constant each: what is not asked is not compiled
            for j in range(0, LANES, BLOCK):
                add_products(total, m, j, xt, k, lane + j, p, q, True)
        else:
            for j in range(0, LANES, BLOCK):
                add_products(total, m, j, xt, k, lane + j, p, q, False)
    if (end - row) % 2 == 1:
        m = end - row - 1
        p = _eight(x, row + m, k)
        for j in range(LANES):
            value = 0.0
            for c in range(8):
                value += p[c] * xt[k + c, lane + j]
            total[m, j] = value if fresh else total[m, j] + value


@elementwise
def _eight(x: Any, i: int, k: int) -> Any:
    """Eight features of an input."""
    return (
        x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3],
        x[i, k + 4], x[i, k + 5], x[i, k + 6], x[i, k + 7],
    )  # fmt: skip
