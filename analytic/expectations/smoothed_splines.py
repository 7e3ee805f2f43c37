r"""A piecewise polynomial seen through a normal law: W, W' and the variance at a place, compiled.

    W = E w(y + tau b),   Var = E (w(y + tau b) - w(y))^2 - (W - w(y))^2

Both are sums over the pieces within reach: of cubic pieces by moments of the law between two ends,
of others, and of short ones, by Gauss-Legendre panels. Both parts of Var are of the size of tau^2:
little cancels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.expectations.polynomial_pieces import EXACT
from analytic.expectations.splines import Spline
from analytic.machine import Array

__all__ = ["END", "INNER", "REACH", "as_array", "smoothed_spline"]

REACH = 9.0
"""Where the normal law is cut."""
INNER = 12
"""Nodes of an inner panel, whose length is 3 at most."""
DENSITY = 1 / math.sqrt(2 * math.pi)
END, START, INVERSE, POWERS = range(4)
"""Columns of a spline as an array, a row for each piece; the coefficients begin at POWERS."""
FIRST, LAST = (
    (b, math.exp(-0.5 * REACH**2) * DENSITY, 0.5 * math.erfc(REACH * math.sqrt(0.5)))
    for b in (-REACH, REACH)
)
"""``_end`` of both."""
SHORT = 1.0
"""A length in deviations below which nodes see a piece: its polynomial is large at y, far away, and
so are the terms that its moments would be made of."""


@elementwise
def _value(spl: Any, k: int, x: float) -> Any:
    """The polynomial of piece k and its derivative at x."""
    t, w, slope = (x - spl[k, START]) * spl[k, INVERSE], 0.0, 0.0
    for d in range(spl.shape[1] - 1, POWERS - 1, -1):
        slope = slope * t + w
        w = w * t + spl[k, d]
    return w, slope * spl[k, INVERSE]


@elementwise
def _piece(spl: Any, x: float) -> int:
    """The piece that holds x."""
    low, high = 0, spl.shape[0] - 1
    while low < high:
        middle = (low + high) // 2
        if spl[middle, END] <= x:
            low = middle + 1
        else:
            high = middle
    return low


@elementwise
def _moved(spl: Any, k: int, y: float, tau: float) -> Any:
    """Piece k, of degree 3 at most, as a polynomial in b = (x - y)/tau."""
    t, h = (y - spl[k, START]) * spl[k, INVERSE], tau * spl[k, INVERSE]
    p1, p2, p3 = spl[k, POWERS + 1], spl[k, POWERS + 2], spl[k, POWERS + 3]
    q0 = spl[k, POWERS] + t * (p1 + t * (p2 + t * p3))
    q1 = h * (p1 + t * (2 * p2 + t * (3 * p3)))
    return q0, q1, h * h * (p2 + t * (3 * p3)), h * h * h * p3


@elementwise
def _end(b: float) -> Any:
    """b, the density there and the tail beyond |b|."""
    return b, math.exp(-0.5 * b * b) * DENSITY, 0.5 * math.erfc(abs(b) * math.sqrt(0.5))


@elementwise
def _cubic(spl: Any, k: int, y: float, w: float, tau: float, one: Any, other: Any) -> Any:
    """What piece k, of degree 3 at most, adds between two ``_end``, by moments of b."""
    (low, e, tail), (high, e_, tail_) = one, other
    q0, q1, q2, q3 = _moved(spl, k, y, tau)
    q0 -= w
    m0 = tail - tail_ if low > 0 else (tail_ - tail if high < 0 else 1.0 - tail - tail_)
    m1 = e - e_
    e, e_ = e * low, e_ * high
    m2 = m0 + e - e_
    e, e_ = e * low, e_ * high
    m3 = 2 * m1 + e - e_
    e, e_ = e * low, e_ * high
    m4 = 3 * m2 + e - e_
    e, e_ = e * low, e_ * high
    m5 = 4 * m3 + e - e_
    m6 = 5 * m4 + e * low - e_ * high
    mean = q0 * m0 + q1 * m1 + q2 * m2 + q3 * m3
    square = q0 * q0 * m0 + 2 * q0 * q1 * m1 + (q1 * q1 + 2 * q0 * q2) * m2
    square += 2 * (q0 * q3 + q1 * q2) * m3 + (q2 * q2 + 2 * q1 * q3) * m4
    square += 2 * q2 * q3 * m5 + q3 * q3 * m6
    return mean, square, (q1 * m0 + 2 * q2 * m1 + 3 * q3 * m2) / tau


@elementwise
def _by_panels(
    spl: Any, k: int, y: float, w: float, tau: float, low: float, high: float, rule: Any
) -> Any:
    """The same for any piece, by Gauss-Legendre panels."""
    mean = square = rise = 0.0
    panels = max(math.ceil((high - low) / 3.0), 1)
    half = (high - low) / (2 * panels)
    for panel in range(panels):
        middle = low + half * (2 * panel + 1)
        for q in range(rule.shape[1]):
            b = middle + half * rule[0, q]
            p = half * rule[1, q] * math.exp(-0.5 * b * b)
            value, steep = _value(spl, k, y + tau * b)
            mean += p * (value - w)
            square += p * (value - w) ** 2
            rise += p * steep
    return mean, square, rise


@elementwise
def _by_one_piece(spl: Any, k: int, y: float, w: float, tau: float, whole: Any) -> Any:
    """W, W' and Var w where piece k is all that is seen: its moments are sums."""
    if spl.shape[1] <= POWERS + EXACT + 1:
        _, q1, q2, q3 = _moved(spl, k, y, tau)
        rise = q1 + 3 * q3
        return w + q2, rise / tau, rise * rise + 2 * q2 * q2 + 6 * q3 * q3
    mean = square = rise = 0.0
    for q in range(whole.shape[1]):
        value, steep = _value(spl, k, y + tau * whole[0, q])
        mean += whole[1, q] * (value - w)
        square += whole[1, q] * (value - w) ** 2
        rise += whole[1, q] * steep
    return w + mean, rise, max(square - mean * mean, 0.0)


@elementwise
def smoothed_spline(spl: Any, y: float, tau: float, whole: Any, panels: Any) -> Any:
    """W, W' and Var w at y."""
    at = _piece(spl, y)
    w, slope = _value(spl, at, y)
    if tau == 0.0:
        return w, slope, 0.0
    mean = square = rise = 0.0
    k = _piece(spl, y - REACH * tau)
    if spl[k, END] >= y + REACH * tau:
        return _by_one_piece(spl, k, y, w, tau, whole)
    cubic, high, end = spl.shape[1] <= POWERS + EXACT + 1, -REACH, FIRST
    while high < REACH:
        low, high = high, min((spl[k, END] - y) / tau, REACH)
        begin, end = end, LAST
        if cubic and high < REACH:
            end = _end(high)
        if cubic and high - low > SHORT:
            parts = _cubic(spl, k, y, w, tau, begin, end)
        else:
            parts = _by_panels(spl, k, y, w, tau, low, high, panels)
        mean += parts[0]
        square += parts[1]
        rise += parts[2]
        k += 1
    return w + mean, rise, max(square - mean * mean, 0.0)


def as_array(line: Spline, degree: int) -> Array:
    """For each piece its upper end, a_k, 1/h_k and the coefficients of its powers."""
    powers = line.powers[:, : max(degree, EXACT) + 1]
    return np.column_stack([line.ends[1:], line.starts, 1 / line.lengths, powers])
