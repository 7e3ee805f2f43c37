r"""Pairs of units of a piecewise polynomial activation: conditioning with panels, compiled.

The pair is split as in ``conditioning``. Given g = y, both conditional means and variances are
sums over the pieces within reach; the outer integral is done on Gauss-Legendre panels whose ends
are those of the pieces, and beside every kink x_i the places x_i +- c tau, where W bends.

    E (w(u)/r - v(u')/r')^2 = E (W_1/r - W_2/r')^2 + E Var_1/r^2 + E Var_2/r'^2
    Var = E (w(y + tau b) - w(y))^2 - (W - w(y))^2

Both parts of Var are of the size of tau^2: little cancels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.expectations.conditioning import Split
from analytic.expectations.polynomial_pieces import EXACT
from analytic.expectations.product_rules import Angle
from analytic.expectations.splines import Spline
from analytic.machine import UNIT, Array

__all__ = ["conditional_panels", "spline_distances"]

REACH = 9.0
"""Where the normal law is cut."""
ORDER = 16
"""Nodes of an outer panel."""
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
LAYERS = (3.0, 6.0, 9.0)
"""Where panels end beside a kink, in units of tau."""
LONGEST = 3.0
"""The length of the others, in units of sigma."""
APART = 0.5
"""Ends of panels closer than that, in units of tau or of sigma, are one: all is smooth there."""


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
def _smoothed(spl: Any, y: float, tau: float, whole: Any, panels: Any) -> Any:
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


@elementwise
def _cuts(spl: Any, scale: float, tau: float, kinks: Any, out: Any, count: int) -> int:
    """Append the ends of pieces, stretched by ``scale``, and the layers beside kinks."""
    for k in range(spl.shape[0] - 1):
        out[count] = spl[k, END] * scale
        count += 1
    for k in range(kinks.size if tau > 0 else 0):
        for c in LAYERS:
            out[count] = kinks[k] - c * tau
            out[count + 1] = kinks[k] + c * tau
            count += 2
    return count


@elementwise
def _merged(ends: Any, least: float) -> int:
    """Leave out ends that follow another one more closely; how many are left."""
    count = 1
    for k in range(1, ends.size):
        if ends[k] - ends[count - 1] > least:
            ends[count] = ends[k]
            count += 1
    return count


@compiled
def _pairs(
    one: Any, other: Any, kinks: Any, kinks_: Any, split: Any, unit: Any, unit_: Any, outer: Any,
    whole: Any, panels: Any, out: Any,
) -> None:  # fmt: skip
    room = np.empty(20 + one.shape[0] + other.shape[0] + 8 * (kinks.size + kinks_.size))
    for i in range(unit.size):
        sigma, tau, tau_, kappa = (
            split.sigma[i], split.tau_1[i], split.tau_2[i], split.kappa[i],
        )  # fmt: skip
        count = 0
        for k in range(-3, 4):
            room[count] = LONGEST * k * sigma
            count += 1
        count = _cuts(one, kappa, tau, kinks, room, count)
        count = _cuts(other, 1.0, tau_, kinks_, room, count)
        ends = np.sort(room[:count])
        count = _merged(ends, APART * min(tau, tau_, sigma))
        less = d = apart = apart_ = 0.0
        for panel in range(count - 1):
            low, high = max(ends[panel], -REACH * sigma), min(ends[panel + 1], REACH * sigma)
            if not low < high:
                continue
            half, middle = (high - low) / 2, (high + low) / 2
            for q in range(ORDER):
                y = middle + half * outer[0, q]
                p = half / sigma * outer[1, q] * math.exp(-0.5 * (y / sigma) * (y / sigma))
                w, w1, var = _smoothed(one, y / kappa, tau, whole, panels)
                v, v1, var_ = _smoothed(other, y, tau_, whole, panels)
                inside = var * unit[i] ** 2 + var_ * unit_[i] ** 2
                a, b = w * unit[i], v * unit_[i]
                apart += p * ((a - b) * (a - b))
                apart_ += p * ((a + b) * (a + b))
                less += p * inside
                d += p * (w1 * v1)
        out[0, i] = (apart + less) / 2
        out[1, i] = (apart_ + less) / 2
        out[2, i] = d
        out[3, i] = min(apart, apart_) / 2


def _as_array(line: Spline, degree: int) -> Array:
    """For each piece its upper end, a_k, 1/h_k and the coefficients of its powers."""
    powers = line.powers[:, : max(degree, EXACT) + 1]
    return np.column_stack([line.ends[1:], line.starts, 1 / line.lengths, powers])


def conditional_panels(
    one: Spline, other: Spline, s: Array, s_: Array, small: Array, unit: Array, unit_: Array
) -> Array:
    """(minus, plus, d, the part of the means), shape (4, pairs), at correlation 1 - small.

    Args:
        one: the activation of the units u with s <= s'.
        other: that of the second ones.
        s: standard deviations, positive, (pairs,).
        s_: those of the second ones, not below s.
        small: 1 - rho.
        unit: 1/r.
        unit_: 1/r'.
    """
    split = Split.of(s, s_, small)
    powers = np.concatenate([one.powers, other.powers])
    degree = int(np.max(np.nonzero(np.any(powers, axis=0))[0]))
    parts = [_as_array(line, degree) for line in (one, other)]
    hermite = np.polynomial.hermite_e.hermegauss(degree + 1)  # exact for squares
    outer, inner = (np.stack(np.polynomial.legendre.leggauss(order)) for order in (ORDER, INNER))
    root = math.sqrt(2 * math.pi)
    rules = [np.stack([z, p / root]) for z, p in (outer, hermite, inner)]
    out = np.empty((4, s.size))
    _pairs(*parts, one.kinks, other.kinks, split, unit, unit_, *rules, out)
    return out


def spline_distances(w: Spline, s: Array, s_: Array, r: Array, r_: Array, angle: Angle) -> Array:
    """The numbers of ``analytic.expectations.close_pairs.Distances``, (5, pairs).

    The last one is relative to the root of E w'(u)^2 E w'(v)^2. That of a distance: values are
    wrong by w.error of their size, and so are the roots of the distances.
    """
    flip, swap = angle.plus < angle.minus, s > s_
    low, high = np.where(swap, s_, s), np.where(swap, s, s_)
    unit, unit_ = 1 / np.where(swap, r_, r), 1 / np.where(swap, r, r_)
    found = np.empty((4, s.size))
    for turned in (False, True):
        part = np.flatnonzero(flip == turned)
        if part.size:
            other = w.turned if turned else w
            pairs = (low[part], high[part], angle.small[part], unit[part], unit_[part])
            found[:, part] = conditional_panels(w, other, *pairs)
    minus, plus, d, _ = found
    near = np.minimum(minus, plus)
    e = 2 * (w.error + 8 * UNIT)
    error = e * np.sqrt(2 * near) + e**2 + 64 * UNIT * near
    return np.stack([minus, plus, np.where(flip, -d, d), error, np.full(s.size, 2 * w.error_d)])
