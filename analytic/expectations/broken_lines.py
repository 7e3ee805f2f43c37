r"""An activation as a broken line and a rest that falls exponentially.

    w = h + r,    h(x) = (p + q sign x) x^degree,    |r(x)| < e^(-rate |x|) far out

degree 0: tanh, sigmoid, erf; degree 1: softplus, gelu, silu. At deviations far beyond the bend
the rest is seen through a density that is nearly flat. With u given v of deviation s', and
t = s' tan(angle) between u and v,

    E h(u) r(v) = tau'^degree/s' * int r(y) phi(y/s') H(y/t) dy,   H(x) = E h(x + z),

tau' = s sin(angle): a function of t and 1/s'^2 alone, an integral over the reach of r.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from scipy.special import erf  # pyright: ignore[reportMissingTypeStubs]

from analytic.activation import Activation
from analytic.expressions import X, stable
from analytic.machine import Array
from analytic.proofs import tail

__all__ = ["LineAndRest", "line_and_rest"]

ORDER = 24
"""Nodes of a Gauss-Legendre panel."""
FINEST, REACH = 2.0**-5, 64.0
"""The end of the panel beside 0, and where the rest is taken for 0; panels double."""
NEGLIGIBLE = 2.0**-62
"""A part of the rest that is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class LineAndRest:
    """A function f and its parts.

    Attributes:
        degree: that of h; 0 also where h = 0.
        p: half the sum of the slopes of h on both sides of 0, or of its values.
        q: half their difference.
        x: nodes between 0 and the reach of r.
        right: r there times the weight of the node over sqrt(2 pi).
        left: the same at -x.
    """

    degree: int
    p: float
    q: float
    x: Array
    right: Array
    left: Array

    def seen(self, t: Array, flat: Array) -> Array:
        """int r(y) phi(y/s') H(y/t) dy at t and flat = 1/s'^2, arrays of one shape (m,)."""
        if self.p == self.q == 0:
            return np.zeros_like(t)
        y = self.x / t[:, None]
        even, odd = self.p, self.q * erf(y * math.sqrt(0.5))
        if self.degree == 1:  # H(-y) has the signs of y h
            bell = math.sqrt(2 / math.pi) * np.exp(-(y**2) / 2)
            even, odd = y * odd + self.q * bell, y * even
        density = np.exp(-flat[:, None] * self.x**2 / 2)
        terms = density * (self.right * (even + odd) + self.left * (even - odd))
        return np.asarray(terms.sum(axis=1))


@lru_cache(maxsize=64)
def line_and_rest(activation: Activation) -> tuple[LineAndRest, LineAndRest] | None:
    """Those of w and w', or None where there are no such lines."""
    right, left = (_end(activation.expression, side) for side in (1, -1))
    if right is None or left is None:
        return None
    slopes, values = (right[0], left[0]), (right[1], left[1])
    if any(slopes) and any(values):  # two degrees at once, such as elu
        return None
    x, dx = _panels()
    weight = dx / math.sqrt(2 * math.pi)
    sides = np.stack([activation.derivatives(x, 1), activation.derivatives(-x, 1)])
    degree = int(any(slopes))
    w = _split(degree, slopes if degree else values, x, weight, sides[:, 0])
    return w, _split(0, slopes, x, weight, sides[:, 1])


def _split(
    degree: int, ends: tuple[float, float], x: Array, weight: Array, values: Array
) -> LineAndRest:
    """A function with these slopes or values at both ends, from its values at x and -x."""
    (high, low), (right, left), line = ends, values, x**degree
    right, left = right - high * line, left - low * (-1) ** degree * line
    size = np.maximum(np.abs(right), np.abs(left))
    seen = np.flatnonzero(size >= NEGLIGIBLE * size.max())
    kept = slice(0, int(seen[-1]) + 1 if seen.size else 1)
    sides = ((part * weight)[kept] for part in (right, left))
    return LineAndRest(degree, (high + low) / 2, (high - low) / 2, x[kept], *sides)


def _end(expression: Any, side: int) -> tuple[float, float] | None:
    """Slope and value of the line that w tends to on a side, exponentially; else None."""
    slope = _limit(sympy.diff(expression, X), side)
    if slope is None:
        return None
    value = _limit(expression - slope * X, side)
    if value is None:
        return None
    above = tail(stable(expression - slope * X - value), side).above
    falls = above is not None and (above.rate < 0 or above.curvature < 0 or above.scale == -np.inf)
    return (float(slope), float(value)) if falls else None


def _limit(expression: Any, side: int) -> Any:
    found = tail(stable(expression), side).limit
    return found if found is not None and found.is_finite else None


def _panels() -> tuple[Array, Array]:
    """Nodes and weights from 0 to REACH."""
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    ends = np.concatenate([[0.0], FINEST * 2.0 ** np.arange(round(math.log2(REACH / FINEST)) + 1)])
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    x = (middle[:, None] + half[:, None] * nodes).ravel()
    return x, (half[:, None] * weights).ravel()
