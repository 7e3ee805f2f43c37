r"""The error of interpolating moments and coefficients in s, bounded.

A function below M on the Bernstein ellipse of parameter rho around [low, high] is
interpolated in n Chebyshev points up to 4 M rho^(1 - n)/(rho - 1) (Trefethen 2013, theorem
8.2). The M are bounded in two ways, of which the smaller counts.

*By rotating w.* Where w is analytic at all s z with s in the ellipse and |z| <= Z, the parts
of the integrals over |z| <= Z are analytic in s, and by Bessel's inequality

    (sum_k |E[w'(s z) h_k; |z| <= Z]|^2)^(1/2) <= E[|w'(s z)|^2; |z| <= Z]^(1/2),

whose square bounds E[w'^2] and Var w/s^2 as well, the latter since it is the mean over rho in
(0, 1) of E[w'(u) w'(v)]. What lies beyond Z is counted with the tails of the rule.

*By rotating the Gaussian.* In f(s) = int w'(y) h_k(y/s) phi(y/s) dy/s the variable s stands in
the Gaussian alone: f is analytic for |arg s| < pi/4 whatever w is. With |s| in [s_-, s_+] and
|arg s| <= theta on the ellipse, I_1(t) = E|w'(t z)|, I_2(t) = E w'(t z)^2 and any r < 1,

    (sum_{k<N} |f_k|^2)^(1/2) <= r^((1-N)/2) (1 - r^2)^(-1/4) (t/s_-) I_1(t),
    t^2 = s_+^2 / (cos^2 theta/(1 + r) - sin^2 theta/(1 - r)),

by the Mehler kernel (see ``analytic.expectations.quadrature_error``), and for the moments, with
t^2 = s_+^2/cos(2 theta),

    |E w'^2| <= (t/s_-) I_2(t),    |Var w|/|s|^2 <= (t/s_-)^2 I_2(t),    |E w| <= (t/s_-) E|w(t z)|.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analytic.activation import Activation
from analytic.expectations.majorants import Majorant, majorant
from analytic.expectations.quadrature_error import analytic_width
from analytic.machine import Array
from analytic.proofs import Rectangle, modulus

__all__ = ["Ellipses", "ellipses", "error", "points"]


RHO = np.array([1.12, 1.25, 1.37, 1.5, 1.8, 2.2, 2.7, 3.3, 4.0, 4.6, 5.2])
"""Ellipses that are tried; that of 5.83 reaches s = 0."""
MEHLER = 1 - np.array([0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08, 0.05, 0.03, 0.015, 0.008, 0.004])
"""The r that are tried."""
ARCS = 6
"""Pieces of the upper half of an ellipse."""


@dataclass(frozen=True, slots=True, eq=False)
class Ellipses:
    """log of the bounds M on every ellipse, (rho,) each.

    ``coefficients`` has the bound for every r, (rho, r), and ``rotated`` those that do not
    depend on the number of coefficients, of (coefficients, E w'^2, Var w/s^2, E w), (4, rho).
    ``nearest`` is log s_- and ``farthest`` log s_+.
    """

    coefficients: Array
    moments: Array
    rotated: Array
    nearest: Array
    farthest: Array

    def logs(self, terms: int, powers: tuple[int, int, int, int]) -> Array:
        """log M of (coefficients, E w'^2, Var w/s^2, E w) divided by powers of s, (4, rho)."""
        r = -(terms - 1) / 2 * np.log(MEHLER)
        gaussian = np.stack([(self.coefficients + r).min(axis=1), *self.moments])
        shift = [-p * (self.nearest if p > 0 else self.farthest) for p in powers]
        return np.minimum(gaussian, self.rotated) + np.stack(shift)


def error(logs: Array, points: int) -> Array:
    """log of the error of interpolation in so many points, by the best ellipse, (4,)."""
    return np.asarray((logs + np.log(4 / (RHO - 1)) - (points - 1) * np.log(RHO)).min(axis=1))


def points(logs: Array, wanted: Array) -> int:
    """How many points bring the errors below exp(wanted), (4,)."""
    need = 1 + (logs + np.log(4 / (RHO - 1)) - wanted[:, None]) / np.log(RHO)
    most = float(need.min(axis=1).max())
    return max(4 * math.ceil(most / 4), 12) if most < 1e6 else 2**30


def ellipses(
    activation: Activation, low: float, reach: float, steepness: float = 1.0
) -> Ellipses | None:
    """The bounds for s in [low, 2 low], or None where the growth of w is not known."""
    own, slope = majorant(activation.expression, 0), majorant(activation.expression, 1)
    if own is None or slope is None:
        return None
    centre, long, short = 1.5 * low, low * (RHO + 1 / RHO) / 4, low * (RHO - 1 / RHO) / 4
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = np.arctan(short / np.sqrt(centre**2 - long**2))
        farthest, nearest = centre + long, centre - long
        turned = np.cos(2 * theta)
        t = farthest / np.sqrt(np.where(turned > 0.01, turned, np.nan))
        bend = np.cos(theta)[:, None] ** 2 / (1 + MEHLER)
        bend = bend - np.sin(theta)[:, None] ** 2 / (1 - MEHLER)
        wide = farthest[:, None] / np.sqrt(np.where(bend > 0.01, bend, np.nan))
        coefficients = _log_mean(slope, wide, 1) + np.log(wide / nearest[:, None])
        square = _log_mean(slope, t, 2) + np.log(t / nearest)
        mean = _log_mean(own, t, 1) + np.log(t / nearest)
        moments = np.stack([square, square + np.log(t / nearest), mean])
    return Ellipses(
        coefficients=_known(coefficients - np.log1p(-(MEHLER**2)) / 4),
        moments=_known(moments),
        rotated=_rotated(activation, centre, long, short, reach, steepness),
        nearest=np.log(nearest),
        farthest=np.log(farthest),
    )


def _known(logs: Array) -> Array:
    return np.where(np.isnan(logs), np.inf, logs)


def _log_mean(function: Majorant, deviation: Array, power: int) -> Array:
    known = np.where(np.isnan(deviation), 1.0, deviation)
    return np.where(np.isnan(deviation), np.inf, function.log_mean(known, power))


def _rotated(
    activation: Activation,
    centre: float,
    long: Array,
    short: Array,
    reach: float,
    steepness: float,
) -> Array:
    """log of the bounds by enclosing w and w' on s z, (4, rho)."""
    angle = np.linspace(0, np.pi, ARCS + 1)
    right, left = (centre + long[:, None] * np.cos(a) for a in (angle[:-1], angle[1:]))
    ends = np.sin(angle[:-1]), np.sin(angle[1:])
    bottom, top = short[:, None] * np.minimum(*ends), short[:, None] * np.maximum(*ends)
    width = min(analytic_width(activation.strip, steepness) or 1.0, 2.0)
    z = _boxes(min(0.3, 0.3 * width / centre), reach)
    near, far = z[:-1], z[1:]
    right, left, bottom, top = (a[..., None] for a in (right, left, bottom, top))  # (rho, arcs, 1)
    x_low, x_high = left * near, right * far
    y_low, y_high = bottom * near, top * far
    box = Rectangle.of(
        np.stack([x_low, -x_high]),
        np.stack([x_high, -x_low]),
        *(np.stack([y, y]) for y in (y_low, y_high)),
    )  # (2, rho, arcs, boxes)
    mass = np.log(0.4 * np.minimum(far - near, 1.26)) - near**2 / 2
    with np.errstate(divide="ignore"):
        w, slope = (np.log(modulus(activation.stable(order), box)) for order in (0, 1))
    square = np.logaddexp.reduce(2 * slope + mass, axis=(0, 3)).max(axis=1)
    mean = np.logaddexp.reduce(w + mass, axis=(0, 3)).max(axis=1)
    return np.stack([square / 2, square, square, mean])


def _boxes(first: float, reach: float) -> Array:
    """Ends of boxes in z: a fifth of their distance wide, at most 0.5."""
    ends = [0.0, first]
    while ends[-1] < reach:
        ends.append(min(ends[-1] * 1.2, ends[-1] + 0.5))
    return np.array(ends)
