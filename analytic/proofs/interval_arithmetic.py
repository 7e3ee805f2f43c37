"""Intervals, their sums, products and powers, rounded outward.

What is known of them and of what they promise stands in ``analytic.proofs.interval``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import sympy

from analytic.machine import Array

__all__ = ["Interval", "absolute", "outward", "power", "reciprocal", "signed", "times", "widened"]

SLACK = 2.0**-46
"""Relative error granted to an elementary function."""
TINY = 2.0**-1000
"""Absolute error granted to one, where its value underflows."""


class Interval(NamedTuple):
    """All numbers between two ends, elementwise."""

    low: Array
    high: Array


HUGE = float(np.finfo(np.float64).max)


def outward(low: Any, high: Any) -> Interval:
    """Rounded outward by one unit; a sum that is not a number has no bound."""
    low = np.where(np.isnan(low), -np.inf, np.nextafter(low, -np.inf))
    return Interval(low, np.where(np.isnan(high), np.inf, np.nextafter(high, np.inf)))


def widened(low: Any, high: Any, least: float = -math.inf, most: float = math.inf) -> Interval:
    """Rounded outward by the error of an elementary function, within the function's range.

    What overflowed is beyond the largest number, not infinite.
    """
    low, high = np.minimum(low, HUGE), np.maximum(high, -HUGE)
    low, high = low - (np.abs(low) * SLACK + TINY), high + (np.abs(high) * SLACK + TINY)
    return Interval(np.clip(low, least, most), np.clip(high, least, most))


def times(a: Interval, b: Interval) -> Interval:
    """The product, rounded outward."""
    ends = [_end(p, q) for p in a for q in b]
    low, high = ends[0]
    for below, above in ends[1:]:
        low, high = np.minimum(low, below), np.maximum(high, above)
    return Interval(low, high)


def _end(p: Array, q: Array) -> Interval:
    """p q rounded both ways; an infinite end is never attained, so that 0 times it is 0."""
    product = np.where((p == 0) | (q == 0), 0.0, p * q)
    sure = (p == 0) | (q == 0) | (np.abs(p) == 1) | (np.abs(q) == 1)
    return Interval(
        np.where(sure, product, np.nextafter(product, -np.inf)),
        np.where(sure, product, np.nextafter(product, np.inf)),
    )


def power(base: Interval, exponent: Any) -> Interval:
    """x^p for a constant p; where it is no integer, of the x >= 0 alone."""
    if not exponent.is_Integer:
        return _positive_power(base, float(exponent))
    n = int(exponent)
    if n == 1:
        return base
    if n < 0:
        return reciprocal(power(base, sympy.Integer(-n)))
    if n % 2 == 0:
        size = absolute(base)
        return widened(size.low**n, size.high**n, least=0.0)
    return signed(base, widened(base.low**n, base.high**n))


def signed(a: Interval, value: Interval) -> Interval:
    """The value of a function that has the sign of its argument."""
    low = np.where(a.low >= 0, np.maximum(value.low, 0.0), value.low)
    return Interval(low, np.where(a.high <= 0, np.minimum(value.high, 0.0), value.high))


def _positive_power(base: Interval, p: float) -> Interval:
    """x^p with x >= 0; negative x have no such power and are left out."""
    low, high = np.maximum(base.low, 0.0), np.maximum(base.high, 0.0)
    ends = (low**p, high**p) if p > 0 else (high**p, low**p)
    return widened(*ends, least=0.0)


def reciprocal(a: Interval) -> Interval:
    """1/x; what reaches 0 from one side has no bound there."""
    low, high = outward(1 / a.high, 1 / a.low)
    low, high = np.where(a.low >= 0, np.maximum(low, 0.0), low), np.where(a.low == 0, np.inf, high)
    low, high = (
        np.where(a.high == 0, -np.inf, low),
        np.where(a.high <= 0, np.minimum(high, 0), high),
    )
    inside = (a.low < 0) & (a.high > 0)
    return Interval(np.where(inside, -np.inf, low), np.where(inside, np.inf, high))


def absolute(a: Interval) -> Interval:
    """The sizes of its members."""
    inside = (a.low <= 0) & (a.high >= 0)
    ends = np.abs(a.low), np.abs(a.high)
    return Interval(np.where(inside, 0.0, np.minimum(*ends)), np.maximum(*ends))
