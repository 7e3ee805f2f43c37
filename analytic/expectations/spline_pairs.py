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

from analytic.compilation import compiled
from analytic.expectations.conditioning import Split
from analytic.expectations.polynomial_pieces import DEGREE, EXACT
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
SHORT = 1.0
"""A length in deviations below which nodes see a piece: its polynomial is large at y, far away, and
so are the terms that its moments would be made of."""
LAYERS = (1.5, 3.0, 6.0, 9.0)
"""Where panels end beside a kink, in units of tau."""


@compiled
def _value(spl: Any, k: int, x: float) -> Any:
    """The polynomial of piece k and its derivative at x."""
    t = (x - spl[1][k]) / spl[2][k]
    row = spl[3][k]
    w = slope = 0.0
    for d in range(DEGREE, -1, -1):
        slope = slope * t + w
        w = w * t + row[d]
    return w, slope / spl[2][k]


@compiled
def _piece(ends: Any, x: float) -> int:
    """The piece that holds x."""
    low, high = 0, ends.size - 2
    while low < high:
        middle = (low + high + 1) // 2
        if ends[middle] <= x:
            low = middle
        else:
            high = middle - 1
    return low


@compiled
def _cubic(spl: Any, k: int, y: float, w: float, tau: float, low: float, high: float) -> Any:
    """What piece k, of degree 3 at most, adds between b = low and high, by moments of b."""
    t, h, row = (y - spl[1][k]) / spl[2][k], tau / spl[2][k], spl[3][k]
    q0 = (row[0] - w) + t * (row[1] + t * (row[2] + t * row[3]))
    q1 = h * (row[1] + t * (2 * row[2] + t * (3 * row[3])))
    q2 = h * h * (row[2] + t * (3 * row[3]))
    q3 = h * h * h * row[3]
    root = math.sqrt(0.5)
    if low > 0:
        m0 = 0.5 * (math.erfc(low * root) - math.erfc(high * root))
    else:
        m0 = 0.5 * (math.erfc(-high * root) - math.erfc(-low * root))
    e, e_ = math.exp(-0.5 * low * low) * DENSITY, math.exp(-0.5 * high * high) * DENSITY
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


@compiled
def _by_panels(
    spl: Any, k: int, y: float, w: float, tau: float, low: float, high: float, rule: Any
) -> Any:
    """The same for any piece, by Gauss-Legendre panels."""
    mean = square = rise = 0.0
    panels = max(math.ceil((high - low) / 3.0), 1)
    half = (high - low) / (2 * panels)
    for panel in range(panels):
        middle = low + half * (2 * panel + 1)
        for q in range(INNER):
            b = middle + half * rule[0][q]
            p = half * rule[1][q] * math.exp(-0.5 * b * b)
            value, steep = _value(spl, k, y + tau * b)
            mean += p * (value - w)
            square += p * (value - w) ** 2
            rise += p * steep
    return mean, square, rise


@compiled
def _smoothed(spl: Any, y: float, tau: float, rule: Any) -> Any:
    """W, W' and Var w at y."""
    ends = spl[0]
    at = _piece(ends, y)
    w, slope = _value(spl, at, y)
    if tau == 0.0:
        return w, slope, 0.0
    mean = square = rise = 0.0
    k = _piece(ends, y - REACH * tau)
    if ends[k + 1] >= y + REACH * tau:  # one polynomial: its moments are sums
        for q in range(rule[2].size):
            value, steep = _value(spl, k, y + tau * rule[2][q])
            mean += rule[3][q] * (value - w)
            square += rule[3][q] * (value - w) ** 2
            rise += rule[3][q] * steep
        return w + mean, rise, max(square - mean * mean, 0.0)
    while k < ends.size - 1 and ends[k] < y + REACH * tau:
        low, high = max((ends[k] - y) / tau, -REACH), min((ends[k + 1] - y) / tau, REACH)
        if rule[2].size <= EXACT + 1 and high - low > SHORT:
            parts = _cubic(spl, k, y, w, tau, low, high)
        else:
            parts = _by_panels(spl, k, y, w, tau, low, high, rule)
        mean += parts[0]
        square += parts[1]
        rise += parts[2]
        k += 1
    return w + mean, rise, max(square - mean * mean, 0.0)


@compiled
def _cuts(spl: Any, scale: float, tau: float, kinks: Any, out: Any, count: int) -> int:
    """Append the ends of pieces, stretched by ``scale``, and the layers beside kinks."""
    ends = spl[0]
    for k in range(1, ends.size - 1):
        out[count] = ends[k] * scale
        count += 1
    if tau > 0:
        for x in kinks:
            for c in LAYERS:
                out[count] = x - c * tau
                out[count + 1] = x + c * tau
                count += 2
    return count


@compiled
def _pairs(
    one: Any, other: Any, kinks: Any, kinks_: Any, split: Any, unit: Any, unit_: Any, outer: Any,
    inner: Any, out: Any,
) -> None:  # fmt: skip
    room = np.empty(20 + one[0].size + other[0].size + 8 * (kinks.size + kinks_.size))
    for i in range(unit.size):
        sigma, tau, tau_, kappa = (
            split.sigma[i], split.tau_1[i], split.tau_2[i], split.kappa[i],
        )  # fmt: skip
        count = 0
        for k in range(-6, 7):
            room[count] = 1.5 * k * sigma
            count += 1
        count = _cuts(one, kappa, tau, kinks, room, count)
        count = _cuts(other, 1.0, tau_, kinks_, room, count)
        ends = np.sort(room[:count])
        less = d = apart = apart_ = 0.0
        for panel in range(count - 1):
            low, high = max(ends[panel], -REACH * sigma), min(ends[panel + 1], REACH * sigma)
            if not low < high:
                continue
            half, middle = (high - low) / 2, (high + low) / 2
            for q in range(ORDER):
                y = middle + half * outer[0][q]
                p = half / sigma * outer[1][q] * math.exp(-0.5 * (y / sigma) * (y / sigma))
                w, w1, var = _smoothed(one, y / kappa, tau, inner)
                v, v1, var_ = _smoothed(other, y, tau_, inner)
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
    parts = [(w.ends, w.starts, w.lengths, np.ascontiguousarray(w.powers)) for w in (one, other)]
    degree = int(np.max(np.nonzero(np.any(np.concatenate([p[3] for p in parts]), axis=0))[0]))
    hermite = np.polynomial.hermite_e.hermegauss(degree + 1)  # exact for squares
    root = math.sqrt(2 * math.pi)
    inner, outer = (np.polynomial.legendre.leggauss(order) for order in (INNER, ORDER))
    rules = (
        (outer[0], outer[1] / root),
        (inner[0], inner[1] / root, hermite[0], hermite[1] / root),
    )
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
