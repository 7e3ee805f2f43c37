"""Pairs of units by product rules of two dimensions, in blocks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic.expectations.product_rules import Angle, squared_differences
from analytic.expectations.unit_tables import Units
from analytic.machine import UNIT, Array

__all__ = ["by_product_rule"]

Index = NDArray[np.intp]
BLOCK = 32
"""Pairs that share one pair of two-dimensional rules."""


def by_product_rule(of: Units, angle: Angle, i: Index, j: Index) -> Array:
    """minus, plus, d and their errors, (5, pairs), as ``close_pairs.distances`` has them.

    Args:
        of: the units.
        angle: those of the pairs.
        i: the first units.
        j: the second ones.
    """
    result = np.empty((5, i.size))
    order = np.argsort(of.s[j] ** 2 * angle.small)
    for start in range(0, order.size, BLOCK):
        p = order[start : start + BLOCK]
        r, r_ = of.r[i[p]], of.r[j[p]]
        found = squared_differences(
            of.activation, of.s[i[p]], of.s[j[p]], angle.take(p), 1 / r, 1 / r_
        )
        slope = np.sqrt(of.moments.slope[i[p]] * of.moments.slope[j[p]])
        found[4] = found[4] / np.where(slope > 0, slope, np.inf) + 8 * UNIT
        result[:, p] = found
    return result
