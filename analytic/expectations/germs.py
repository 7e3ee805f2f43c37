r"""An activation with a kink at 0 where s is below 2^SMALL: a cubic on either side.

    w(x) = w_0 + p(x) for x > 0,    w_0 + q(x) for x < 0,
    E (z_+)^m = 2^(m/2 - 1) Gamma((m + 1)/2)/sqrt(pi)

There tables of octaves lose what they sum: differences of values near w(0), and a jump of w' that
is smeared over their finest node. Here nothing has a scale: moments are sums of half-moments, and
coefficients those of the jumps of w', w'' and w''' at 0. Pairs are those of a piecewise cubic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from analytic.activation import Activation
from analytic.expectations.jumps_by_parts import jump_sums
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    SLOPE,
    SPREAD,
    kinked,
)
from analytic.expectations.segments import Noise
from analytic.expressions import X, derivative
from analytic.machine import UNIT, Array
from analytic.proofs import branch, supremum_between

__all__ = ["SMALL", "Germ", "germ"]

SMALL = -18
"""All s below 2^SMALL have the table of ``Germ``."""
CUBIC = 3
LARGEST = 2**5 * UNIT
"""What the cubics may leave out of w and w', relative to their norms."""


@dataclass(frozen=True, slots=True, eq=False)
class Germ:
    """The cubics.

    Attributes:
        start: w_0.
        sides: coefficients of p and q, (2, CUBIC + 1).
        pieces: the activation that they are.
        error: what they leave out of w and w', relative to their norms.
    """

    start: float
    sides: Array
    pieces: Activation
    error: float

    size = 256
    """See ``Segment``."""

    def noise_at(self, s: Array) -> Noise:
        """See ``Segment``."""
        noise = self.error + 16 * UNIT
        return Noise.of_coefficients(noise, noise, certified=False)

    @property
    def complete(self) -> bool:
        """See ``Segment``."""
        return self.rest(2.0**SMALL, self.size) <= 32 * UNIT

    def terms(self, s: float, tail: float) -> int:
        """See ``Segment``."""
        terms = int(np.searchsorted(-self.shares(s, self.size), -tail))
        return min(8 * -(-max(terms, 1) // 8), self.size)

    def rest(self, s: float, terms: int) -> float:
        """See ``Segment``."""
        return float(self.shares(s, terms)[terms])

    def shares(self, s: float, terms: int) -> Array:
        """See ``Segment``; twice the larger ones of the ends of an octave."""
        table = self.table(np.array([s / 2, s]), terms)
        c = table[FIRST:] ** 2 * np.arange(1.0, terms + 1)[:, None]
        rests = 1 - np.cumsum(c, axis=0) / np.where(table[SLOPE] > 0, table[SLOPE], np.inf)
        return np.append(1.0, np.clip(2 * rests.max(axis=1), 8 * UNIT, 1.0))

    def table(self, s: Array, terms: int) -> Array:
        """All columns, shape (FIRST + terms, n); of s = 0 they are put in behind."""
        s = np.where(s > 0, s, 2.0**SMALL)
        w, w1 = self.sides, _slopes(self.sides)
        w2, square, slope = _slopes(w1), _products(w, w), _products(w1, w1)
        mean = _mean(w, s)
        table = np.zeros((FIRST + terms, s.size))
        table[MEAN] = self.start + mean
        table[SPREAD] = _mean(square, s, -2) - (mean / s) ** 2
        table[SLOPE] = _mean(slope, s)
        table[CURVATURE] = _mean(_products(w2, w2), s)
        table[JERK] = _mean(_products(_slopes(w2), _slopes(w2)), s)
        table[RESPONSE_E] = _response(square, s) + 2 * self.start * _response(w, s)
        table[RESPONSE_D] = _response(slope, s)
        table[FIRST:] = self._coefficients(s, terms)
        return table

    def _coefficients(self, s: Array, terms: int) -> Array:
        """b_k, (terms, n)."""
        jumps = np.array([[math.factorial(m) * -np.diff(self.sides[:, m])[0]] for m in (1, 2, 3)])
        c = jump_sums(np.zeros((1, s.size)), jumps, s, max(terms, CUBIC))
        w1 = _slopes(self.sides)
        second = (_mean(w1, s, power=2) - _mean(w1, s)) / math.sqrt(2)
        c[:CUBIC] = np.stack([_mean(w1, s), _mean(w1, s, power=1), second])
        return c[:terms] / np.sqrt(np.arange(1.0, terms + 1))[:, None]


def _slopes(sides: Array) -> Array:
    """The derivative of polynomials, (2, degrees)."""
    return np.asarray(sides[:, 1:] * np.arange(1.0, sides.shape[1]))


def _products(f: Array, g: Array) -> Array:
    found = np.zeros((2, f.shape[1] + g.shape[1] - 1))
    for m in range(f.shape[1]):
        found[:, m : m + g.shape[1]] += f[:, m : m + 1] * g
    return found


def _mean(sides: Array, s: Array, shift: int = 0, power: int = 0) -> Array:
    """E f(s z) z^power times s^shift, from the half-moments of z."""
    total = np.zeros(s.size)
    for m, (right, left) in enumerate(sides.T.tolist()):
        n = m + power
        whole = right + (-1) ** n * left
        half = 2 ** (n / 2 - 1) * math.gamma((n + 1) / 2) / math.sqrt(math.pi)
        if whole != 0:
            total += whole * half * s ** (m + shift)
    return total


def _response(sides: Array, s: Array) -> Array:
    """The derivative of E f(s z) by s^2."""
    orders: Array = np.arange(sides.shape[1], dtype=np.float64)
    return _mean(sides * orders / 2, s, -2)


@lru_cache(maxsize=128)
def germ(activation: Activation) -> Germ | None:
    """The cubics of an activation with its only kink at 0, or None where they leave out too much.

    Example:
        >>> found = germ(Activation("selu"))
        >>> found.sides[:, 1].round(4).tolist()
        [1.0507, 1.7581]
    """
    if not kinked(activation) or activation.bent_line is not None:
        return None
    reach, zero = 64 * 2.0**SMALL, sympy.S.Zero
    branches = [branch(activation.expression, zero, side) for side in (1, -1)]
    values = [[derivative(b, m).subs(X, 0) for m in range(CUBIC + 1)] for b in branches]
    if not all(v.is_finite for side in values for v in side) or values[0][0] != values[1][0]:
        return None
    most = max(supremum_between(derivative(b, CUBIC + 1), reach) for b in branches)
    powers = [[v / math.factorial(m) for m, v in enumerate(side)] for side in values]
    sides = np.array([[0.0, *map(float, side[1:])] for side in powers])
    error = _left_out(most, np.abs(sides).max(axis=0))
    if not error <= LARGEST:
        return None
    halves: tuple[Any, Any] = sympy.Max(X, 0), sympy.Min(X, 0)
    parts = zip(powers, halves, strict=True)
    pieces = Activation(
        powers[0][0] + sum(c * half**m for side, half in parts for m, c in enumerate(side) if m)
    )
    return Germ(float(values[0][0]), sides, pieces, error)


def _left_out(most: float, sizes: Array) -> float:
    r"""A bound relative to the norms of w and w', from one of the fourth derivative.

    The remainders have norms of at most sqrt(105)/24 M s^4 and sqrt(15)/6 M s^3; those of w and w'
    are at least a fifth of that of their largest term on its side (see ``small_deviations``).
    """
    if most == 0:
        return 0.0
    terms = (2.0 ** (SMALL * (CUBIC + 1 - m)) / a for m, a in enumerate(sizes.tolist()) if a)
    return 8 * most * min(terms, default=math.inf)
