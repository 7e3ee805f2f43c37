r"""Units of correlation 1 before a piecewise linear activation: u = s z and v = s' z.

    apart = E (w(s z)/r -+ v(s' z)/r')^2/2,    top = E w'(s z) v'(s' z),    sign = sign of E w v

by moments of the normal law between the kinks of either. A square of a difference: nothing cancels
however near s and s' are.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

from analytic.expectations.angle_integrals import TOGETHER
from analytic.expectations.parallel_stretches import CENTRE, END_ROWS, FAR, FIRST_END, half_line
from analytic.expectations.precise_panels import graded_panels
from analytic.machine import Array, aligned

__all__ = ["Lines", "parallel"]

DEGREE = 28
"""Of the polynomials for the tails of moments."""


class Lines(NamedTuple):
    """A piecewise linear function: places x_i, 0 among them, values w(x_i), and slopes."""

    places: Array
    values: Array
    slopes: Array

    def half(self, side: int) -> Array:
        """Places, values and slopes of w(side x), x >= 0, outwards, (3, places + 1)."""
        zero = int(np.flatnonzero(self.places == 0)[0])
        kept = slice(zero, None) if side > 0 else slice(zero, None, -1)
        behind = self.slopes[zero + 1 :] if side > 0 else -self.slopes[zero::-1]
        places = np.append(np.abs(self.places[kept]), FAR)
        return np.stack([places, np.append(self.values[kept], 0.0), np.append(behind, 0.0)])


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
    pairs, out = np.stack([s, s_, unit, unit_]), np.zeros((3, s.size))
    room = aligned(FIRST_END + END_ROWS * (line.places.size + other.places.size), TOGETHER)
    (right, left), (right_, left_) = ((f.half(1), f.half(-1)) for f in (line, other))
    halves = [(right, right_, 1.0), (left, left_, 1.0)]
    if any(_are_turned(right, left, k) and _are_turned(right_, left_, k) for k in (1, -1)):
        halves = [(right, right_, 2.0)]
    for half in halves:
        half_line(*half, pairs, _tail_polynomials(), room, room.ravel(), room.view(np.int64), out)
    less, more, top = out
    return np.stack([np.minimum(less, more) / 2, top, np.where(less <= more, 1.0, -1.0)])


def _are_turned(right: Array, left: Array, factor: int) -> bool:
    """Whether w(-x) = factor w(x)."""
    return right.shape == left.shape and np.array_equal(right * [[1], [factor], [factor]], left)


@lru_cache(maxsize=1)
def _tail_polynomials() -> Array:
    """R_k(a) (a + CENTRE)^(k + 1) for k < 3, powers of (a - CENTRE)/(a + CENTRE), (3, DEGREE + 1).

    R_k(a) = int_0^inf t^k exp(-a t - t^2/2) dt; with t = y/(a + CENTRE) it has one scale.
    """
    count = 4 * DEGREE
    pi: Any = np.arccos(np.longdouble(-1))
    phase = pi * (np.arange(count) + 0.5) / count
    wide: Any = 2 * CENTRE / (1 - np.cos(phase))[:, None]  # a + CENTRE
    nodes, weights = graded_panels(24)
    y = 64 * nodes
    density = np.exp(-(1 - CENTRE / wide) * y - (y / wide) ** 2 / 2) * (64 * weights)
    order: Any = np.arange(DEGREE + 1)[:, None]
    found = [density @ y**k @ np.cos(order * phase).T * 2 / count for k in range(3)]
    series = [np.append(row[0] / 2, row[1:]) for row in found]
    to_powers: Any = chebyshev.cheb2poly
    return np.stack([to_powers(row).astype(np.float64) for row in series])
