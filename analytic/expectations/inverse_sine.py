r"""The arcsine, without branches, so that it is compiled to vector instructions.

    arcsin z = z + z g(z^2)  for |z| <= 1/2,    arcsin z = pi/2 - 2 arcsin sqrt((1 - z)/2)  above,

and g(t) = arcsin(sqrt t)/sqrt t - 1, at most 0.05 on [0, 1/4], is a polynomial in 8 t - 1: its
Chebyshev series converges like 13.9^-n, since g is analytic up to t = 1. Its roundings are a
twentieth of those of z.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from analytic.compilation import elementwise

__all__ = ["arcsine", "arcsine_excess"]

DEGREE = 14
HALF_PI, HALF_PI_LOW = np.pi / 2, 6.123233995736766e-17
"""Their sum is pi/2 to twice the digits."""


def _coefficients() -> tuple[float, ...]:
    """Those of g as a polynomial in 8 t - 1, the constant first."""
    points, pi = 2 * DEGREE, np.arccos(np.longdouble(-1))
    phase = pi * np.arange(1, 2 * points, 2) / (2 * points)
    root = np.sqrt((np.cos(phase) + 1) / 8)
    values = np.arcsin(root) / root - 1
    series = [
        2 * np.sum(values * np.cos(n * phase)) / (points * (1 + (n == 0)))
        for n in range(DEGREE + 1)
    ]
    return tuple(map(float, chebyshev.cheb2poly(np.array(series))))


(C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14) = _coefficients()


@elementwise
def arcsine_excess(t: Any) -> Any:
    """g(t) for t in [0, 1/4]."""
    y = 8.0 * t - 1.0
    g = C14
    g = g * y + C13
    g = g * y + C12
    g = g * y + C11
    g = g * y + C10
    g = g * y + C9
    g = g * y + C8
    g = g * y + C7
    g = g * y + C6
    g = g * y + C5
    g = g * y + C4
    g = g * y + C3
    g = g * y + C2
    g = g * y + C1
    return g * y + C0


@elementwise
def arcsine(z: Any) -> Any:
    """The arcsine of a number in [-1, 1], to 3.5 units of rounding.

    Above 1/2 the root has one, 2 root <= 1 of the result >= 0.52; the difference to pi/2 is exact
    up to arcsin z = 0.77, and has one beyond. The last operation has one.
    """
    a = abs(z)
    large = a > 0.5
    t = (1.0 - a) * 0.5 if large else a * a
    root = np.sqrt(t) if large else a
    excess = root * arcsine_excess(t)
    above = (HALF_PI - 2.0 * root) - (2.0 * excess - HALF_PI_LOW)
    part = above if large else excess + root
    return part if z >= 0.0 else -part
