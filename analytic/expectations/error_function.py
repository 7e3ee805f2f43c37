r"""Moments of erf in closed form (Williams 1997), at the cost of a few roots and quotients.

With v = s^2, t = 2 v/(1 + 2 v) and q = 1 + 4 v,

    E w^2 = (2/pi) arcsin t,    E w'^2 = (4/pi) q^(-1/2),    E w''^2 = 4 (v/q) E w'^2,
    E w'''^2 = (4 - 16 v/q + 48 (v/q)^2) E w'^2,

and the derivatives by v are E w'^2/(1 + 2 v) and -2 E w'^2/q. Above t = 1/2 the arcsine is
pi/2 - 2 arcsin z with z = (2 (1 + 2 v))^(-1/2). What enters arcsin z = z + z g(z^2) as z, and
E w'^2, is known to twice the digits, so that E w^2 has the rounding of the result, and those
of z g(z^2), a tenth of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled, fused
from analytic.expectations.inverse_sine import arcsine_excess
from analytic.expectations.quadrature import twofold_product, twofold_sum
from analytic.machine import UNIT, Array

__all__ = ["ERF_SECOND", "ERF_SLOPE", "erf_moments"]

ERF_SECOND = 2 * UNIT
"""Relative error of E w^2: one rounding, and at most ten of a tenth of it."""
ERF_SLOPE = 1.5 * UNIT
"""Relative error of E w'^2: one rounding, and squares of others."""


def _halves(value: Any) -> tuple[float, float]:
    """A number of extended precision as the sum of two."""
    return float(value), float(value - np.longdouble(float(value)))


_PI = np.arccos(np.longdouble(-1))
HALF_TURN, HALF_TURN_LOW = _halves(_PI / 2)
TWO_OVER_PI, TWO_OVER_PI_LOW = _halves(2 / _PI)


def erf_moments(s: Array, low: Array) -> tuple[tuple[Array, ...], Array]:
    """E w^2, E w'^2, E w''^2, E w'''^2 and the derivatives of the first two by s^2, at s + low.

    Then what rounding took from E w^2.
    """
    second, slope, curvature, jerk, by_v, slope_by_v, rest = (np.empty(s.size) for _ in range(7))
    _fill_second(s, low, second, rest)
    _fill_slope(s, low, slope)
    _fill_higher(s, slope, curvature, jerk)
    _fill_derivatives(s, slope, by_v, slope_by_v)
    return (second, slope, curvature, jerk, by_v, slope_by_v), rest


@compiled
def _root(a: Any, a_low: Any) -> Any:
    """The root of a sum of two numbers."""
    r = np.sqrt(a)
    return r, (fused(-r, r, a) + a_low) / (2.0 * r)


@compiled
def _quotient(a: Any, a_low: Any, b: Any, b_low: Any) -> Any:
    """The quotient of two sums of two numbers."""
    q = a / b
    return q, (fused(-q, b, a) + (a_low - q * b_low)) / b


# several loops, since one of more arrays is not compiled to vector instructions


@compiled
def _fill_slope(s: Any, low: Any, out: Any) -> None:
    """(4/pi) (1 + 4 v)^(-1/2)."""
    for i in range(s.size):
        v, v_low = twofold_product(s[i], low[i], s[i], low[i])
        q, q_low = twofold_sum(1.0, 0.0, 4.0 * v, 4.0 * v_low)
        root, root_low = _root(q, q_low)
        d, d_low = _quotient(2.0 * TWO_OVER_PI, 2.0 * TWO_OVER_PI_LOW, root, root_low)
        out[i] = d + d_low


@compiled
def _fill_second(s: Any, low: Any, out: Any, rest: Any) -> None:
    """(2/pi) arcsin t, through arcsin z."""
    for i in range(s.size):
        v, v_low = twofold_product(s[i], low[i], s[i], low[i])
        h, h_low = twofold_sum(1.0, 0.0, 2.0 * v, 2.0 * v_low)
        wide, wide_low = _root(2.0 * h, 2.0 * h_low)
        large = 2.0 * v > 1.0
        top, top_low = (1.0 if large else 2.0 * v), (0.0 if large else 2.0 * v_low)
        bottom, bottom_low = (wide if large else h), (wide_low if large else h_low)
        z, z_low = _quotient(top, top_low, bottom, bottom_low)
        excess = z * arcsine_excess(z * z) + z_low
        b, b_low = twofold_sum(HALF_TURN, HALF_TURN_LOW, -2.0 * z, -2.0 * excess)
        a, a_low = (b if large else z), (b_low if large else excess)
        p = a * TWO_OVER_PI
        e = fused(a, TWO_OVER_PI, -p) + (a * TWO_OVER_PI_LOW + a_low * TWO_OVER_PI)
        out[i] = p + e
        rest[i] = e - (out[i] - p)


@compiled
def _fill_higher(s: Any, slope: Any, curvature: Any, jerk: Any) -> None:
    """E w''^2 and E w'''^2."""
    for i in range(s.size):
        v = s[i] * s[i]
        part = v / (1.0 + 4.0 * v)
        curvature[i] = 4.0 * part * slope[i]
        jerk[i] = (4.0 - part * (16.0 - 48.0 * part)) * slope[i]


@compiled
def _fill_derivatives(s: Any, slope: Any, by_v: Any, slope_by_v: Any) -> None:
    """Those of E w^2 and E w'^2 by v."""
    for i in range(s.size):
        v = s[i] * s[i]
        by_v[i] = slope[i] / (1.0 + 2.0 * v)
        slope_by_v[i] = -2.0 * slope[i] / (1.0 + 4.0 * v)
