r"""Two piecewise linear units of one direction, compiled: u = s z and v = s' z.

    apart = E (w(s z)/r -+ v(s' z)/r')^2/2,    top = E w'(s z) v'(s' z),    sign = sign of E w v

by Gauss-Legendre panels between the kinks of either and the even numbers. A square of a
difference: nothing cancels however near s and s' are.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled
from analytic.machine import Array

__all__ = ["REACH", "Lines", "parallel"]

REACH = 12
"""Where the normal law is cut, an even number."""
ORDER = 16
"""Nodes of a panel; of its weights exp(-z^2/2) they leave 1e-16 at length 2."""


class Lines(NamedTuple):
    """A piecewise linear function: places x_i, 0 among them, values w(x_i), and slopes."""

    places: Array
    values: Array
    slopes: Array


@compiled
def _ends(a: Any, s: float, b: Any, s_: float, ends: Any) -> int:
    """Write the ends of the panels in order; how many there are."""
    count = 0
    for k in range(REACH + 1):
        ends[count] = 2.0 * k - REACH
        count += 1
    for scaled, deviation in ((a, s), (b, s_)):
        for x in scaled:
            z = x / deviation
            if not abs(z) < REACH:
                continue
            place = count
            while ends[place - 1] > z:
                ends[place] = ends[place - 1]
                place -= 1
            ends[place] = z
            count += 1
    return count


@compiled
def _piece(line: Any, x: float) -> Any:
    """(place, value, slope) of the piece that holds x."""
    places, values, slopes = line
    k = 0
    while k < places.size and places[k] <= x:
        k += 1
    start = max(k - 1, 0) if x > 0 else min(k, places.size - 1)  # the end nearer to 0
    return places[start], values[start], slopes[k]


@compiled
def _parallel(
    line: Any, other: Any, s: Any, s_: Any, unit: Any, unit_: Any, nodes: Any, weights: Any,
    out: Any,
) -> None:  # fmt: skip
    ends = np.empty(REACH + 1 + line[0].size + other[0].size)
    for i in range(s.size):
        count = _ends(line[0], s[i], other[0], s_[i], ends)
        less = more = top = 0.0
        for panel in range(count - 1):
            half = (ends[panel + 1] - ends[panel]) / 2
            middle = (ends[panel + 1] + ends[panel]) / 2
            if half <= 0:
                continue
            x, value, slope = _piece(line, s[i] * middle)
            x_, value_, slope_ = _piece(other, s_[i] * middle)
            share = 0.0
            for q in range(ORDER):
                z = middle + half * nodes[q]
                p = weights[q] * math.exp(-0.5 * z * z)
                w = (value + slope * (s[i] * z - x)) * unit[i]
                v = (value_ + slope_ * (s_[i] * z - x_)) * unit_[i]
                less += (half * p) * ((w - v) * (w - v))
                more += (half * p) * ((w + v) * (w + v))
                share += p
            top += slope * slope_ * (half * share)
        out[0, i] = min(less, more) / 2
        out[1, i] = top
        out[2, i] = 1.0 if less <= more else -1.0


def parallel(line: Lines, other: Lines, s: Array, s_: Array, unit: Array, unit_: Array) -> Array:
    """(apart, top, sign), shape (3, pairs).

    Args:
        line: w.
        other: the function of the second units.
        s: standard deviations of the first ones, positive, (pairs,).
        s_: those of the second ones.
        unit: 1/r.
        unit_: 1/r'.
    """
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    out = np.empty((3, s.size))
    weights = weights / math.sqrt(2 * math.pi)
    _parallel(line, other, s, s_, unit, unit_, nodes, weights, out)
    return out
