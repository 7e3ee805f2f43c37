r"""Pairs of units of an activation that jumps: their squared distance, and how errors enter it.

    minus = E (w(u)/r - w(v)/r')^2/2,    plus = E (w(u)/r + w(v)/r')^2/2

Near rho = 1 the smaller one falls like the root of 1 - rho: it is known to a relative error where
1 - rho is. When |rho| moves by e <= 1 - |rho| = t, Cauchy and Schwarz bound the change by

    (e/t) sqrt(g(s, t) g(s', t)),    g(s, t) = E (w(u) - w(u'))^2/(2 r^2) at correlation 1 - t,

since 1 - |rho|^k, convex in |rho|, changes by at most its size times e/t (docs/theory/near.md).
A relative error of the variances moves the jumps in units of s, by A phi(A) each.
"""

from __future__ import annotations

import numpy as np

from analytic.activation import Activation
from analytic.expectations.product_rules import Angle
from analytic.expectations.spline_pairs import spline_distances
from analytic.expectations.splines import Spline, by_pieces
from analytic.expectations.staircases import Staircase
from analytic.machine import UNIT, Array

__all__ = ["jump_distances"]


def jump_distances(
    activation: Activation,
    s: Array,
    s_: Array,
    means: tuple[Array, Array],
    r: Array,
    r_: Array,
    angle: Angle,
    variation: float,
) -> Angle:
    """The angle of w(u) and w(v), (pairs,).

    Args:
        activation: w, which jumps.
        s: standard deviations of the first units, (pairs,).
        s_: those of the second ones.
        means: E w(u) and E w(v).
        r: the root of E w(u)^2.
        r_: that of E w(v)^2.
        angle: of the pre-activations; its error is carried through.
        variation: relative error of the variances.
    """
    both = r * r_
    cosine = np.where(both > 0, means[0] * means[1] / np.where(both > 0, both, 1.0), 0.0)
    minus, plus = 1 - cosine, 1 + cosine  # of units that are always 0
    error = np.where((s == 0) & (s_ == 0), 0.0, 8 * UNIT)
    alive = np.flatnonzero((s > 0) & (s_ > 0) & (both > 0))
    if alive.size:
        w = by_pieces(activation)
        assert isinstance(w, Spline | Staircase)
        part = (s[alive], s_[alive], r[alive], r_[alive])
        found = _living(w, *part, angle.take(alive), variation)
        minus[alive], plus[alive], error[alive] = found
    return Angle.of(minus, plus, error)


def _living(
    w: Spline | Staircase, s: Array, s_: Array, r: Array, r_: Array, angle: Angle, variation: float
) -> Array:
    """(minus, plus, error) of the smaller one of them, where no deviation is 0."""
    flip, small = angle.plus < angle.minus, angle.small
    if isinstance(w, Spline):
        minus, plus, _, error, _ = spline_distances(w, s, s_, r, r_, angle)
        near = np.asarray(np.where(flip, plus, minus), dtype=np.float64)
    else:
        near, error = np.empty(s.size), np.empty(s.size)
        for side, of in ((np.flatnonzero(flip), w.sums), (np.flatnonzero(~flip), w.distances)):
            if side.size:
                near[side], error[side] = of(s[side], s_[side], r[side], r_[side], small[side])
    error = error + _carried(w, s, s_, r, r_, small, angle.error)
    error = error + variation * _moved(w, s, s_, r, r_)
    other = 2 - near
    return np.stack([np.where(flip, other, near), np.where(flip, near, other), error])


def _carried(
    w: Spline | Staircase, s: Array, s_: Array, r: Array, r_: Array, small: Array, error: Array
) -> Array:
    """What an error of 1 - |rho| becomes; where it is not small, both ends of it count."""
    far = np.minimum(small + error, 1.0)
    own = np.sqrt(_own(w, s, r, far) * _own(w, s_, r_, far))
    share = np.minimum(3 * error / np.maximum(far, 1e-300), 2.0)
    return own * np.where(2 * error <= small, error / np.maximum(small, 1e-300), share)


def _own(w: Spline | Staircase, s: Array, r: Array, small: Array) -> Array:
    """g(s, t)."""
    if isinstance(w, Staircase):
        return w.distances(s, s, r, r, small)[0]
    angle = Angle(small, 2 - small, np.zeros_like(small))
    return spline_distances(w, s, s, r, r, angle)[0]


def _moved(w: Spline | Staircase, s: Array, s_: Array, r: Array, r_: Array) -> Array:
    """By how much a relative error of the variances moves a cosine, at most and to first order."""
    places = w.places if isinstance(w, Staircase) else w.kinks
    if not places.any() and isinstance(w, Staircase):
        return np.zeros_like(s)
    total = np.zeros_like(s)
    for deviation in (s, s_):
        reach = np.abs(places) / deviation[:, None]
        density = np.sum(reach * np.exp(-(reach**2) / 2), axis=1) / np.sqrt(2 * np.pi)
        total += density
    size, slope = _sizes(w, np.maximum(s, s_))
    least = np.minimum(r, r_)
    return 2 * (total * size * size + np.maximum(s, s_) * slope * size) / (least * least)


def _sizes(w: Spline | Staircase, s: Array) -> tuple[Array, Array]:
    """The largest |w| and |w'| where a unit of these deviations may be."""
    if isinstance(w, Staircase):
        return np.full_like(s, np.abs(w.values).max()), np.zeros_like(s)
    grid = np.linspace(-REACH, REACH, 241)
    values, slopes = w.activation.derivatives(s[:, None] * grid, 1)
    return np.abs(values).max(axis=1), np.abs(slopes).max(axis=1)


REACH = 8.0
"""Deviations within which an error of a variance counts."""
