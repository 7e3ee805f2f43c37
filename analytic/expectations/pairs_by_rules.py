"""Pairs of units by product rules of two dimensions, in blocks, and whether these serve."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytic.expectations.estimated_tables import is_rough
from analytic.expectations.product_rules import LARGEST_RULE, Angle, squared_differences
from analytic.expectations.unit_tables import Units
from analytic.machine import UNIT, Array

__all__ = ["HOPELESS", "are_lost", "by_product_rule"]

Index = NDArray[np.intp]
BLOCK = 32
"""Pairs that share one pair of two-dimensional rules."""
HOPELESS = 2**24 * UNIT
"""Error of the moments from which on no second rule is worth its time."""
FINER = 2.0**8
"""How much less than the error that is wanted a rule may err, lest all layers together miss it."""
ROUGHLY = 2.0**6
"""By how much twice the nodes in either dimension lower errors that fall like a power: a kink at an
angle to the nodes is seen to the second order, by chance to the third."""
FEW = 64
"""Pairs that are taken by rules of two dimensions while there is hope."""


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
            of.activation, of.s[i[p]], of.s[j[p]], angle.take(p), 1 / r, 1 / r_,
            enough=of.wanted / FINER,
        )  # fmt: skip
        slope = np.sqrt(of.moments.slope[i[p]] * of.moments.slope[j[p]])
        found[4] = found[4] / np.where(slope > 0, slope, np.inf) + 8 * UNIT
        result[:, p] = found
    return result


def are_lost(of: Units, angle: Angle, i: Index, j: Index, rest: NDArray[np.bool_]) -> bool:
    """Whether rules of two dimensions do not serve the one of some pairs that asks most of them.

    Their errors fall exponentially or like a normal law: twice the nodes in either dimension square
    them, or twice so, those of d from 2 at most. Where kinks are not known they fall like a power,
    by ROUGHLY at most.
    """
    places = np.flatnonzero(rest)
    worst = places[[np.argmax((of.s[j] ** 2 * angle.small)[places])]]
    a, b = i[worst], j[worst]
    units = of.activation, of.s[a], of.s[b], angle.take(worst), 1 / of.r[a], 1 / of.r[b]
    error, of_d = squared_differences(*units, LARGEST_RULE // 4)[3:, 0].tolist()
    of_d /= math.sqrt(max(of.moments.slope[a[0]] * of.moments.slope[b[0]], 1e-300))
    rough = is_rough(of.activation)
    finest = error / ROUGHLY if rough else max(min(error, 1.0) ** 4, 2 * min(of_d / 2, 1.0) ** 4)
    many = places.size > FEW and error**2 > HOPELESS  # too many to be tried for what is wanted
    return many or finest > max(HOPELESS, of.wanted)
