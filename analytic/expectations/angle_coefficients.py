"""Coefficients of the series of ``angle_integrals`` and of Mills's ratio."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

from analytic.machine import Array

__all__ = [
    "COSECANT",
    "COSINE",
    "DEGREES",
    "ERROR",
    "FALLING",
    "LOST",
    "MILLS",
    "MILLS_WIDTH",
    "MOST",
    "POWERS",
    "TANGENT",
]

MOST, FALLING = 15, 7
"""Taylor's coefficients of the integrand, an odd number, and those of a cosine."""


def _of_tangent() -> tuple[float, ...]:
    """k times the coefficients of tan(t/2)^2 at t^(2 k), halved."""
    sine = np.array([0.0] + [-((-1.0) ** k) / math.factorial(2 * k) for k in range(1, 17)]) / 2
    cosine = -sine
    cosine[0] = 1.0  # cos(t/2)^2 = 1 - sin(t/2)^2
    found = np.zeros(17)
    for k in range(17):
        found[k] = sine[k] - found[:k] @ cosine[k:0:-1]
    return tuple((found * np.arange(17) / 2).tolist())


def _of_cosecant() -> tuple[float, ...]:
    """k times the coefficients of 1/sin(t)^2 - 1/t^2 at t^(2 k), halved."""
    square = np.array(
        [-((-1.0) ** k) * 2.0 ** (2 * k - 1) / math.factorial(2 * k) for k in range(1, 20)]
    )
    inverse = np.zeros(19)  # of sin(t)^2/t^2
    inverse[0] = 1.0
    for k in range(1, 19):
        inverse[k] = -(inverse[:k] @ square[k:0:-1])
    return tuple((inverse[1:18] * np.arange(17) / 2).tolist())


def _of_mills_ratio(order: int, width: float, degree: int) -> Array:
    """R(h) = sqrt(pi/2) erfcx(h/sqrt 2), or 1 - h R(h) of order 1, in (h - width)/(h + width)."""

    def value(u: Any) -> Any:
        h = width * (1 + u) / (1 - u)
        ratio = math.sqrt(math.pi / 2) * erfcx(h / math.sqrt(2))
        return ratio if order == 0 else 1 - h * ratio

    interpolate: Any = chebyshev.chebinterpolate  # a fit by least squares loses a digit
    return np.asarray(chebyshev.cheb2poly(interpolate(value, 63)[: degree + 1]), dtype=np.float64)


def _of_error_function() -> Array:
    """m_0 = 1 - P R(P), in (P - 3)/(P + 3), by polynomials of DEGREES."""
    found = np.zeros((len(DEGREES), DEGREES[-1] + 1))
    for row, degree in zip(found, DEGREES, strict=True):
        row[: degree + 1] = _of_mills_ratio(1, 3.0, degree)
    return found


DEGREES, LOST = (8, 12, 16, 23), (6e-6, 6e-8, 3e-10, 0.0)
"""Of the polynomials that stand for m_0, and sixteen times what they leave out."""
TANGENT, COSECANT, ERROR = _of_tangent(), _of_cosecant(), _of_error_function()
MILLS_WIDTH = 4.0
MILLS = tuple(_of_mills_ratio(0, MILLS_WIDTH, 23).tolist())
"""Of Q(h)/phi(h) in (h - MILLS_WIDTH)/(h + MILLS_WIDTH)."""
POWERS = tuple(1 / math.factorial(k) for k in range(14))
COSINE = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(FALLING + 1))
