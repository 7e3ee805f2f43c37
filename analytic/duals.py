r"""What the recursion needs to know of an activation: its coefficient tables.

Legend: s the standard deviation of a pre-activation, rho the correlation of two of them,
(u, u') the pair; c_k(s) = E[w'(s z) h_k(z)] the Hermite coefficients of the slope. With
b_k = c_k / sqrt(k + 1), Mehler's formula and Stein's lemma give both expectations at once,

    E[w(u) w(u')]   = E[w(u)] E[w(u')] + s s' rho P(rho),   P = sum_k b_k(s) b_k(s') rho^k,
    E[w'(u) w'(u')] = d/d rho (rho P(rho)),

without a division by s: a zero input needs no case of its own. The derivation and the
error bounds stand in docs/theory/duals.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.segments import (
    CURVATURE,
    FIRST,
    JERK,
    LOWEST,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    REST,
    SLOPE,
    SPREAD,
    UNIT,
    at_zero,
    segment,
)

__all__ = ["LANES", "UNIT", "Duals", "duals"]

Array = NDArray[np.float64]

LANES = 128
"""Inputs that are tabulated together, and columns of a tile: the length of the loops."""


@dataclass(frozen=True, slots=True, eq=False)
class Duals:
    """Moments and coefficients of one activation at n standard deviations s.

    Attributes:
        mean: E[w(s z)], shape (n,).
        second: E[w(s z)^2], shape (n,).
        slope: E[w'(s z)^2], shape (n,).
        curvature: E[w''(s z)^2], shape (n,).
        jerk: E[w'''(s z)^2], shape (n,).
        response_e: E[w'^2 + w w''], the derivative of ``second`` by s^2, shape (n,).
        response_d: E[w''^2 + w' w'''], the derivative of ``slope`` by s^2, shape (n,).
        coefficients: b_k(s), shape (terms, n).
        rest: bound of sum_{k >= terms} c_k(s)^2, shape (n,).
        noise: error of the quadrature relative to the root of the second moments.
    """

    mean: Array
    second: Array
    slope: Array
    curvature: Array
    jerk: Array
    response_e: Array
    response_d: Array
    coefficients: Array
    rest: Array
    noise: float


def duals(activation: Activation, s: Array, tail: float) -> Duals:
    """Tabulate an activation at the standard deviations s.

    Args:
        activation: w.
        s: standard deviations, shape (n,), non-negative.
        tail: ratio of ``rest`` to ``slope`` at which the table may end.
    """
    if activation.is_relu:
        return _relu(s)
    octaves = np.floor(np.log2(np.maximum(s, 2.0 ** (LOWEST - 1)))).astype(int)
    members = {int(octave): np.flatnonzero(octaves == octave) for octave in np.unique(octaves)}
    largest = {octave: float(s[chosen].max()) for octave, chosen in members.items()}
    # all inputs have equally many terms: what one lacks may meet a large one of another
    terms = max(segment(activation, octave).terms(largest[octave], tail) for octave in members)
    table, noise = np.empty((FIRST + terms, s.size)), 0.0
    for octave, chosen in members.items():
        first, part = segment(activation, octave), segment(activation, octave, terms)
        # the moments shall not depend on the number of terms, not even in the last bit
        for source, columns in ((first, slice(FIRST)), (part, slice(FIRST, FIRST + terms))):
            series = source.series[:, columns]
            _evaluate(series, source.low, source.high, s, chosen, table[columns])
        table[REST, chosen] = part.rest(largest[octave], terms) * table[SLOPE, chosen]
        noise = max(noise, first.noise, part.noise)
    zero = np.flatnonzero(s == 0)
    table[:, zero] = at_zero(activation, terms)[:, None]
    return _named(s, table, noise)


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def _evaluate(series: Any, low: float, high: float, s: Any, members: Any, table: Any) -> None:
    """table[c, i] <- sum_j series[j, c] T_j(t(s_i)) for i in members."""
    points = series.shape[0]
    chebyshev = np.empty((points, LANES))  # T_j(t) of a block of inputs
    column = np.empty(LANES)
    for start in range(0, members.size, LANES):
        count = min(LANES, members.size - start)
        for i in range(LANES):
            last = members[start + min(i, count - 1)]
            chebyshev[0, i] = 1.0
            chebyshev[1, i] = (2.0 * s[last] - low - high) / (high - low)
        for j in range(2, points):
            for i in range(LANES):
                twice = 2.0 * chebyshev[1, i]
                chebyshev[j, i] = twice * chebyshev[j - 1, i] - chebyshev[j - 2, i]
        for c in range(table.shape[0]):
            column[:] = 0.0
            for j in range(points - 4, -1, -4):
                _add_four(series, chebyshev, j, c, column)
            for i in range(count):
                table[c, members[start + i]] = column[i]


@njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
def _add_four(series: Any, chebyshev: Any, j: int, c: int, column: Any) -> None:
    t = (chebyshev[j], chebyshev[j + 1], chebyshev[j + 2], chebyshev[j + 3])
    a = (series[j, c], series[j + 1, c], series[j + 2, c], series[j + 3, c])
    for i in range(LANES):
        value = column[i]
        for k in range(4):
            value += a[3 - k] * t[3 - k][i]
        column[i] = value


def _relu(s: Array) -> Duals:
    """Moments of max(x, 0): its pairs have a closed form and need no coefficients."""
    none = np.zeros_like(s)
    return Duals(
        mean=s / np.sqrt(2 * np.pi),
        second=s**2 / 2,
        slope=np.full_like(s, 0.5),
        curvature=none,
        jerk=none,
        response_e=np.full_like(s, 0.5),
        response_d=none,
        coefficients=np.empty((0, s.size)),
        rest=none,
        noise=UNIT,
    )


def _named(s: Array, table: Array, noise: float) -> Duals:
    return Duals(
        mean=table[MEAN],
        second=table[MEAN] ** 2 + s**2 * table[SPREAD],
        slope=table[SLOPE],
        curvature=np.maximum(table[CURVATURE], 0),
        jerk=np.maximum(table[JERK], 0),
        response_e=table[RESPONSE_E],
        response_d=table[RESPONSE_D],
        coefficients=table[FIRST:],
        rest=table[REST],
        noise=noise,
    )
