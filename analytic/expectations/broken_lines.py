r"""An activation as a broken line and a rest that falls exponentially.

    w = h_0 + h_1 + r,    h_k(x) = (p + q sign x) x^k,    |r(x)| < e^(-rate |x|) far out

h_0 alone: tanh, sigmoid, erf, hardtanh; h_1 alone: softplus, gelu, hardswish; both: elu. At
deviations far beyond the bend the rest is seen through a density that is nearly flat. With u given
v of deviation s', and t = s' tan(angle) between u and v,

    E h_k(u) r(v) = tau'^k/s' * int r(y) phi(y/s') H_k(y/t) dy,   H_k(x) = E h_k(x + z),

tau' = s sin(angle): a function of t and 1/s'^2 alone, an integral over the reach of r. Where w has
kinks, panels end there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from scipy.special import erf  # pyright: ignore[reportMissingTypeStubs]

from analytic.activation import Activation
from analytic.expressions import X, stable
from analytic.machine import Array
from analytic.proofs import branch, kinks, tail

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
        steps: p and q of h_0, half the sum of its values on both sides of 0 and their difference.
        slopes: those of h_1.
        x: nodes between 0 and the reach of r.
        right: r there times the weight of the node over sqrt(2 pi).
        left: the same at -x.
    """

    steps: tuple[float, float]
    slopes: tuple[float, float]
    x: Array
    right: Array
    left: Array

    @property
    def degree(self) -> int:
        """That of h; 0 also where h = 0."""
        return int(any(self.slopes))

    def seen(self, t: Array, flat: Array, degree: int) -> Array:
        """int r(y) phi(y/s') H_degree(y/t) dy at t and flat = 1/s'^2, arrays of one shape (m,)."""
        p, q = self.slopes if degree else self.steps
        if p == q == 0:
            return np.zeros_like(t)
        y = self.x / t[:, None]
        even, odd = p, q * erf(y * math.sqrt(0.5))
        if degree == 1:  # H(-y) has the signs of y h
            bell = math.sqrt(2 / math.pi) * np.exp(-(y**2) / 2)
            even, odd = y * odd + q * bell, y * even
        density = np.exp(-flat[:, None] * self.x**2 / 2)
        terms = density * (self.right * (even + odd) + self.left * (even - odd))
        return np.asarray(terms.sum(axis=1))


@lru_cache(maxsize=64)
def line_and_rest(activation: Activation) -> tuple[LineAndRest, LineAndRest] | None:
    """Those of w and w', or None where there are no such lines."""
    bends = kinks(activation.expression)
    if not bends.complete or activation.jump is not None:
        return None
    places = [abs(float(place)) for place in bends.places]
    right, left = (_end(activation.expression, bends.places, side) for side in (1, -1))
    if right is None or left is None or max(places, default=0.0) >= REACH:
        return None
    slopes, values = (right[0], left[0]), (right[1], left[1])
    x, dx = _panels(places)
    weight = dx / math.sqrt(2 * math.pi)
    sides = np.stack([activation.derivatives(x, 1), activation.derivatives(-x, 1)])
    w = _split(values, slopes, x, weight, sides[:, 0])
    return w, _split(slopes, (0.0, 0.0), x, weight, sides[:, 1])


def _split(
    ends: tuple[float, float], slopes: tuple[float, float], x: Array, weight: Array, values: Array
) -> LineAndRest:
    """A function with lines of these values and slopes at both ends, from its values at +-x."""
    right = values[0] - (ends[0] + slopes[0] * x)
    left = values[1] - (ends[1] - slopes[1] * x)
    size = np.maximum(np.abs(right), np.abs(left))
    seen = np.flatnonzero(size >= NEGLIGIBLE * size.max())
    kept = slice(0, int(seen[-1]) + 1 if seen.size else 1)
    right, left = ((part * weight)[kept] for part in (right, left))
    steps, lines = (((high + low) / 2, (high - low) / 2) for high, low in (ends, slopes))
    return LineAndRest(steps, lines, x[kept], right, left)


def _end(expression: Any, places: Sequence[Any], side: int) -> tuple[float, float] | None:
    """Slope and value of the line that w tends to on a side, exponentially; else None."""
    if places:
        expression = branch(expression, max(side * place for place in places) * side, side)
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


def _panels(places: Sequence[float]) -> tuple[Array, Array]:
    """Nodes and weights from 0 to REACH."""
    nodes, weights = np.polynomial.legendre.leggauss(ORDER)
    doubled = FINEST * 2.0 ** np.arange(round(math.log2(REACH / FINEST)) + 1)
    ends = np.unique(np.concatenate([[0.0], doubled, places]))
    half, middle = np.diff(ends) / 2, (ends[1:] + ends[:-1]) / 2
    x = (middle[:, None] + half[:, None] * nodes).ravel()
    return x, (half[:, None] * weights).ravel()
