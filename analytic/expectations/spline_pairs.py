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

from analytic.compilation import elementwise
from analytic.expectations.conditioning import Split
from analytic.expectations.product_rules import Angle
from analytic.expectations.smoothed_splines import INNER, WIDE, smoothed_spline
from analytic.expectations.spline_lanes import (
    END,
    EXPONENT,
    KINK,
    MEAN,
    NODES,
    PLACE,
    POWER,
    REACH,
    RISE,
    SQUARE,
    TAKEN,
    as_array,
    fallen,
    is_cubic,
)
from analytic.expectations.spline_nodes import piece_length
from analytic.expectations.splines import Spline
from analytic.machine import UNIT, Array, aligned

__all__ = ["conditional_panels", "spline_distances"]

LAYER = 9.0
"""Where panels end beside a kink, in units of tau."""
APART = 0.5
"""Ends of panels closer than that, in units of tau or of sigma, are one: all is smooth there."""
TOGETHER = 12.0
"""Lengths of the shortest piece that a panel may have where the law is wider than pieces: what a
polynomial of degree 10 has to rounding on one, NODES nodes have on so many."""
_NODE, _WEIGHT, _Y, _P, _MEAN, _RISE, _SQUARE, _APART, _APART_, _LESS, _D = (
    (TAKEN + k) * NODES for k in range(11)
)
"""Where lines begin: the outer rule; the nodes of a panel and their weights; W, W' and Var of the
first units; four sums."""


@elementwise
def _cuts(
    spl: Any, scale: float, tau: float, kinks: Any, longest: float, ends: Any, count: int
) -> int:
    """Append the ends of pieces, stretched by ``scale``, and the layers beside kinks.

    Panels may have several pieces between kinks, up to the length ``longest``.
    """
    low, high = ends[0] / scale, ends[2] / scale
    k, begin = _first(spl, low), low
    shortest = piece_length(spl, k)
    while k < spl.shape[0] - 1 and spl[k, END] < high:
        after = piece_length(spl, k + 1)
        shortest, end = min(shortest, after), min(spl[k + 1, END], high)
        if spl[k, KINK] > 0.0 or end - begin > min(longest / scale, TOGETHER * shortest):
            ends[count], begin, shortest = spl[k, END] * scale, spl[k, END], after
            count += 1
        k += 1
    for k in range(kinks.size if tau > 0 else 0):
        ends[count], ends[count + 1] = kinks[k] - LAYER * tau, kinks[k] + LAYER * tau
        count += 2
    return count


@elementwise
def _first(spl: Any, x: float) -> int:
    """The first piece that ends beyond x."""
    k = 0
    while k < spl.shape[0] - 1 and spl[k, END] <= x:
        k += 1
    return k


@elementwise
def _merged(ends: Any, count: int, least: float) -> int:
    """Sort the ends, and leave out those that follow another one more closely."""
    for k in range(1, count):
        end, place = ends[k], k
        while place > 0 and ends[place - 1] > end:
            ends[place] = ends[place - 1]
            place -= 1
        ends[place] = end
    kept = 1
    for k in range(1, count):
        if ends[k] - ends[kept - 1] > least:
            ends[kept] = ends[k]
            kept += 1
    return kept


@elementwise
def _enter_panel(half: float, middle: float, sigma: float, line: Any, bits: Any) -> None:
    """The nodes of a panel and their weights."""
    for i in range(NODES):
        y = middle + half * line[_NODE + i]
        line[_Y + i] = y
        line[EXPONENT + i] = 0.5 * (y / sigma) * (y / sigma)
    fallen(line, bits)
    for i in range(NODES):
        line[_P + i] = half / sigma * line[_WEIGHT + i] * line[POWER + i]


@elementwise
def _add_panel(unit: float, unit_: float, line: Any) -> None:
    """Add the nodes of a panel to the sums."""
    for i in range(NODES):
        p, a, b = line[_P + i], line[_MEAN + i] * unit, line[MEAN + i] * unit_
        line[_APART + i] += p * ((a - b) * (a - b))
        line[_APART_ + i] += p * ((a + b) * (a + b))
        line[_LESS + i] += p * (line[_SQUARE + i] * unit**2 + line[SQUARE + i] * unit_**2)
        line[_D + i] += p * (line[_RISE + i] * line[RISE + i])


@elementwise
def _leave_pair(line: Any, out: Any, i: int) -> None:
    """Add up the sums of the nodes."""
    apart = apart_ = less = d = 0.0
    for k in range(NODES):
        apart, apart_ = apart + line[_APART + k], apart_ + line[_APART_ + k]
        less, d = less + line[_LESS + k], d + line[_D + k]
    out[0, i], out[1, i] = (apart + less) / 2, (apart_ + less) / 2
    out[2, i], out[3, i] = d, min(apart, apart_) / 2


@elementwise
def _pairs(
    one: Any, other: Any, kinks: Any, kinks_: Any, split: Any, unit: Any, unit_: Any, whole: Any,
    rule: Any, ends: Any, line: Any, bits: Any, out: Any,
) -> None:  # fmt: skip
    for i in range(unit.size):
        sigma, tau, tau_, kappa = split[0][i], split[1][i], split[2][i], split[3][i]
        ends[0], ends[1], ends[2] = -REACH * sigma, 0.0, REACH * sigma
        longest = 0.0 if is_cubic(other) else WIDE * (min(tau, tau_) if tau > 0 else tau_)
        count = _cuts(one, kappa, tau, kinks, longest, ends, 3)
        count = _cuts(other, 1.0, tau_, kinks_, longest, ends, count)
        count = _merged(ends, count, APART * min(tau, tau_, sigma))
        for k in range(4 * NODES):
            line[_APART + k] = 0.0
        for panel in range(count - 1):
            low, high = max(ends[panel], -REACH * sigma), min(ends[panel + 1], REACH * sigma)
            if not low < high:
                continue
            _enter_panel((high - low) / 2, (high + low) / 2, sigma, line, bits)
            for k in range(NODES):
                line[PLACE + k] = line[_Y + k] / kappa
            smoothed_spline(one, tau, low / kappa, high / kappa, whole, rule, line, bits)
            for k in range(NODES):
                line[_MEAN + k], line[_RISE + k] = line[MEAN + k], line[RISE + k]
                line[_SQUARE + k], line[PLACE + k] = line[SQUARE + k], line[_Y + k]
            smoothed_spline(other, tau_, low, high, whole, rule, line, bits)
            _add_panel(unit[i], unit_[i], line)
        _leave_pair(line, out, i)


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
    parts, kinks = [as_array(line, degree) for line in (one, other)], (one.kinks, other.kinks)
    hermite = np.polynomial.hermite_e.hermegauss(degree + 1)  # exact for squares
    outer, inner = (np.stack(np.polynomial.legendre.leggauss(order)) for order in (NODES, INNER))
    root = math.sqrt(2 * math.pi)
    (nodes, weights), whole, rule = ((z, p / root) for z, p in (outer, hermite, inner))
    line = aligned((TAKEN + 11) * NODES)
    line[_NODE : _WEIGHT + NODES] = np.concatenate([nodes, weights])
    ends = np.empty(3 + sum(len(p) + 2 * k.size for p, k in zip(parts, kinks, strict=True)))
    out = np.empty((4, s.size))
    rules = np.stack(whole), np.stack(rule)
    _pairs(*parts, *kinks, tuple(split), unit, unit_, *rules, ends, line, line.view(np.int64), out)
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
