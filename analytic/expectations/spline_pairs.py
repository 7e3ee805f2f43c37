r"""Pairs of units of a piecewise polynomial activation: conditioning with panels, compiled.

The pair is split as in ``conditioning``. Given g = y, conditional means and variances are those
of ``smoothed_splines``; the outer integral is done on Gauss-Legendre panels whose ends are those of
the pieces, and beside every kink x_i the places x_i +- c tau, where W bends.

    E (w(u)/r - v(u')/r')^2 = E (W_1/r - W_2/r')^2 + E Var_1/r^2 + E Var_2/r'^2
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from analytic.compilation import compiled, elementwise
from analytic.expectations.conditioning import Split
from analytic.expectations.product_rules import Angle
from analytic.expectations.smoothed_splines import END, INNER, REACH, as_array, smoothed_spline
from analytic.expectations.splines import Spline
from analytic.machine import UNIT, Array

__all__ = ["conditional_panels", "spline_distances"]

ORDER = 16
"""Nodes of an outer panel."""
LAYERS = (3.0, 6.0, 9.0)
"""Where panels end beside a kink, in units of tau."""
LONGEST = 3.0
"""The length of the others, in units of sigma."""
APART = 0.5
"""Ends of panels closer than that, in units of tau or of sigma, are one: all is smooth there."""


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
                w, w1, var = smoothed_spline(one, y / kappa, tau, whole, panels)
                v, v1, var_ = smoothed_spline(other, y, tau_, whole, panels)
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
    powers = np.concatenate([one.powers, other.powers])
    degree = int(np.max(np.nonzero(np.any(powers, axis=0))[0]))
    parts = [as_array(line, degree) for line in (one, other)]
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
