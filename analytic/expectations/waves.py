r"""Solutions of w'' = q w: sin, cos, exp, sinh, cosh and their sums of one frequency.

All is elementary. With kappa = |q| and P, M = (w(0)^2 +- w'(0)^2/kappa)/2,

    E w(u) w(v) = exp(q (s^2 + s'^2)/2) F(c),   F(c) = P exp(kappa c) + M exp(-kappa c),
    E w'(u) w'(v) = exp(q (s^2 + s'^2)/2) F'(c),   c = E u v,

and the cosine F(c)/sqrt(F(s^2) F(s'^2)) has the complement

    F(s^2) F(s'^2) - F(c)^2 = exp(V) [P^2 (1 - exp(-X)) - M^2 exp(-2 V) (exp(X) - 1)
                                      + 4 P M exp(-V) sinh(G/2)^2]

with V, G = kappa (s^2 +- s'^2) and X = kappa E (u - v)^2, which a close pair knows well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray

from analytic.activation import Activation, X
from analytic.expressions import SWITCHES
from analytic.machine import EXTENDED, UNIT, Array

__all__ = ["Wave", "wave"]

TINY = 1e-300
"""Stands for 0 where its logarithm is taken."""


@dataclass(frozen=True, slots=True)
class Wave:
    """A solution of w'' = q w by its initial values.

    Attributes:
        value: w(0).
        slope: w'(0).
        q: w''/w, not 0.
        exact: whether q is exact, and not rounded.
        given: whether w(0) and w'(0) are.
    """

    value: float
    slope: float
    q: float
    exact: bool = True
    given: bool = True

    @property
    def kappa(self) -> float:
        return abs(self.q)

    @property
    def amplitudes(self) -> tuple[float, float]:
        """P and M of the legend."""
        a, b = self.value**2, self.slope**2 / self.kappa
        return (a + b) / 2, (a - b) / 2

    def noise(self, s: Any) -> float:
        """The relative error of the moments: that of exp is the absolute one of its argument.

        P and M come with positive terms, at most three times as large together as the sum. In
        extended precision these have 12 roundings and a power 4. An error of w(0), w'(0) counts
        twice, one of q comes with w'(0)^2/q and with expm1.
        """
        growth = (self.q + self.kappa) * float(s.max(initial=0.0)) ** 2
        rounded = 0.0 if self.exact and self.given else UNIT * (4 + 2 * growth)
        return UNIT + 48 * EXTENDED * (1 + growth) + rounded

    def squares(self, v: Any) -> tuple[Any, Any]:
        """E w(sz)^2 and E w'(sz)^2 at v = s^2, to its precision."""
        value, slope, kappa = (v.dtype.type(a) for a in (self.value, self.slope, self.kappa))
        m = (value**2 - slope**2 / kappa) / 2
        with np.errstate(over="ignore"):  # where the kernel is infinite
            size = np.exp((self.q + self.kappa) * v)
        away = np.expm1(-2 * self.kappa * v)
        return (
            size * (value**2 + m * away),
            size * (slope**2 - kappa * m * away),
        )

    def moments(self, s: Any) -> tuple[tuple[Array, ...], Any]:
        """E w, E w^2, E w'^2, E w''^2, E w'''^2 and two derivatives by s^2, at s.

        Then E w^2 in extended precision, in which s may be given.
        """
        v = s.astype(np.longdouble) ** 2
        with np.errstate(over="ignore"):
            wide = (self.value * np.exp(self.q * v / 2), *self.squares(v))
            mean, second, slope = (moment.astype(np.float64) for moment in wide)
        curvature, jerk = self.q**2 * second, self.q**2 * slope
        found = (
            mean, second, slope, curvature, jerk,
            slope + self.q * second, curvature + self.q * slope,
        )  # fmt: skip
        return found, wide[1]

    def coefficients(self, s: Any, terms: int) -> tuple[Array, Array]:
        """b_k = E[w'(sz) h_k(z)]/sqrt(k + 1), shape (terms, n), and the share of the rest.

        By Stein's lemma E[w' h_k] = s^k/sqrt(k!) E w^(k + 1).
        """
        k = np.arange(float(terms + 2))[:, None]
        odd = np.longdouble(self.q) * self.value
        first = np.where(k % 2 == 0, np.longdouble(self.slope), odd)
        sign = np.where((k // 2) % 2 == 1, np.sign(self.q), 1.0)
        wide = sign * first * np.exp(sum(self._exponent(s, terms + 2)))
        c = wide.astype(np.float64)
        v = s.astype(np.float64) ** 2
        _, slope = self.squares(v)
        ratio = (self.kappa * v) ** 2 / ((terms + 1.0) * (terms + 2.0))
        bound = np.where((ratio < 1) & (slope > 0), slope * (1 - ratio), np.inf)
        rest = (c[-2] ** 2 + c[-1] ** 2) / bound
        rest = np.where(ratio < 1, rest, 1.0)
        b = wide[:terms] / np.sqrt((k[:terms] + 1).astype(np.longdouble))
        return b.astype(np.float64), rest

    def _exponent(self, s: Any, terms: int) -> list[Any]:
        """The parts of log |s^k/sqrt(k!) E w^(k + 1)| but for w(0) and w'(0), (terms, n) each."""
        k = np.arange(terms).astype(np.longdouble)[:, None]
        wide = s.astype(np.longdouble)
        powers = k * np.log(np.maximum(wide, TINY)), (k // 2) * np.log(np.longdouble(self.kappa))
        return [*powers, -_log_factorials(terms)[:, None] / 2, np.longdouble(self.q) / 2 * wide**2]

    def rounding(self, s: Any, terms: int) -> Array:
        """Relative errors of the coefficients, (terms, n).

        An absolute error of an exponent is a relative one of its power. In extended precision
        its parts have at most 12 roundings (``_log_factorials``) and 3 of their sum. Beside these,
        the power (4), three products, a root and a quotient are rounded, the result to float64,
        and q, w(0) and w'(0) where they are not exact.
        """
        parts = [np.abs(part).astype(np.float64) for part in self._exponent(s, terms)]
        errors = np.asarray(15 * EXTENDED * sum(parts) + 9 * EXTENDED + UNIT)
        if not self.exact:
            errors += UNIT * ((np.arange(terms)[:, None] + 1) / 2 + parts[-1])
        if not self.given:
            errors += UNIT
        return errors

    def length(self, s: float, tail: float, most: int) -> int:
        """Coefficients that leave a share of at most ``tail`` at s."""
        for terms in range(8, most, 8):
            ratio = (self.kappa * s**2) ** 2 / ((terms + 1.0) * (terms + 2.0))
            if ratio < 1 and self.coefficients(np.array([s]), terms)[1][0] <= tail:
                return terms
        return most

    def rise(self, v: Array, apart: Array) -> tuple[Array, Array, Array]:
        """E w(u)^2 - E w(v)^2 of variances v + apart and v, and the largest slope between them.

        Then by what a relative change of v changes it, relative to itself.
        """
        p, m = self.amplitudes
        size = p if self.q > 0 else m
        growth = 2 * self.q
        with np.errstate(over="ignore", invalid="ignore"):
            rise = size * np.exp(growth * v) * np.expm1(growth * apart)
            most = np.exp(growth * v + np.maximum(growth * apart, 0))
            slope = np.abs(size * growth) * most
        return rise, slope, np.abs(growth) * v


@lru_cache(maxsize=8)
def _log_factorials(terms: int) -> NDArray[np.longdouble]:
    """log k! for k < terms, to 12 roundings: exact products, then Stirling's series.

    Its part 3617/(122400 k^15) is left out, 4e-21 at k = 21.
    """
    few = [np.log(np.longdouble(math.factorial(k))) for k in range(min(terms, 21))]
    k = np.arange(len(few), terms).astype(np.longdouble)
    x, series = 1 / k**2, np.zeros_like(k)
    for a, b in STIRLING[::-1]:
        series = series * x + np.longdouble(a) / b
    half_log = np.log(2 * np.arccos(np.longdouble(-1))) / 2
    return np.concatenate([few, (k + 0.5) * np.log(k) - k + half_log + series / k])


STIRLING = ((1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156))
"""Coefficients of k^-1, k^-3, ... in log k! - (k + 1/2) log k + k - log(2 pi)/2."""


@lru_cache(maxsize=256)
def wave(activation: Activation) -> Wave | None:
    """The activation as a solution of w'' = q w, or None if it is none.

    Example:
        >>> wave(Activation("sin(2*x)"))
        Wave(value=0.0, slope=2.0, q=-4.0, exact=True, given=True)
    """
    w: Any = activation.expression
    if w.has(*SWITCHES) or not w.atoms(sympy.sin, sympy.cos, sympy.exp, sympy.sinh, sympy.cosh):
        return None
    if not _may_be_one(activation):
        return None
    value, slope, bend = (sympy.diff(w, X, k) for k in range(3))
    if not _are_alike(bend / value):
        return None
    for place in (0, sympy.Rational(1, 3)):
        if value.subs(X, place) != 0:
            q = sympy.simplify((bend / value).subs(X, place))
            break
    else:
        return None
    if q == 0 or not q.is_real or sympy.simplify(bend - q * value) != 0:
        return None
    a, b = value.subs(X, 0), slope.subs(X, 0)
    return Wave(float(a), float(b), float(q), _is_exact(q), _is_exact(a) and _is_exact(b))


def _may_be_one(activation: Activation) -> bool:
    """Whether w''/w is the same at some places, as far as float64 sees: sympy takes seconds."""
    w, _, bend, _ = activation.derivatives(np.array([-1.7, -0.6, 0.3, 1.1, 2.3]), 3)
    with np.errstate(all="ignore"):
        apart, size = np.outer(bend, w), np.abs(bend).max() * np.abs(w).max()
        return not bool(np.abs(apart - apart.T).max() > ALIKE * size)


def _are_alike(quotient: Any) -> bool:
    """Whether w''/w is the same at places where w may be next to nothing beside other ones."""
    found = [quotient.evalf(20, subs={X: place}) for place in PLACES]
    return all(bool(abs(one - found[0]) <= ALIKE * abs(found[0])) for one in found)


ALIKE = 2.0**-20
"""What rounding may make of the quotients, far above it."""
PLACES = sympy.Rational(-17127, 10007), sympy.Rational(3119, 10007), sympy.Rational(23173, 10007)
"""Where a sine is not 0, unless it was made for it."""


def _is_exact(number: Any) -> bool:
    """Whether float64 holds a number, which was not rounded before."""
    return not number.atoms(sympy.Float) and bool(number == sympy.Rational(float(number)))
