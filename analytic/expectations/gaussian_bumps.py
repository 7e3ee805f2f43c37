r"""Activations w = a exp(-k x^2): moments and pairs in closed form.

With v = s^2, c = E u v and F = (1 + 4 k v)(1 + 4 k v'), all is elementary,

    E w(u) w(v) = a^2 g^(-1/2),   E w'(u) w'(v) = 4 k^2 a^2 c g^(-3/2),
    g = (1 + 2 k v)(1 + 2 k v') - 4 k^2 c^2,

and the cosine (F/g^2)^(1/4) has a complement of positive parts: with G = 1 + 2 k (v + v') and
Q = 4 k^2 v v' (1 - rho^2), so that g = G + Q,

    1 - cosine^4 = (4 k^2 (v - v')^2 + Q (2 G + Q))/g^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import sympy

from analytic.activation import Activation, X
from analytic.expectations.product_rules import Angle
from analytic.machine import EXTENDED, UNIT, Array

__all__ = ["Bump", "gaussian_bump"]


@dataclass(frozen=True, slots=True)
class Bump:
    """w = a exp(-k x^2).

    Attributes:
        size: a.
        rate: k > 0.
    """

    size: float
    rate: float

    def noise(self, s: Any) -> float:
        """The relative error of the moments: 48 roundings of extended precision at the most.

        1 - 2 k s^2 of the last one cancels, which no bound of a kernel asks for.
        """
        return UNIT + 48 * EXTENDED

    def moments(self, s: Any) -> tuple[tuple[Array, ...], Any]:
        """E w, E w^2, E w'^2, E w''^2, E w'''^2 and two derivatives by s^2, at s.

        Then E w^2 in extended precision, in which s may be given.
        """
        v, k = s.astype(np.longdouble) ** 2, np.longdouble(self.rate)
        mass = np.longdouble(self.size) ** 2
        q = 1 + 4 * k * v
        p, t = mass / np.sqrt(q), k * v / q  # w^2 has a normal law of the variance t/k
        wide = (
            self.size / np.sqrt(1 + 2 * k * v),
            p,
            4 * k * p * t,
            4 * k**2 * p * ((1 - 2 * t) ** 2 + 8 * t**2),
            48 * k**3 * t * p * (20 * t**2 - 12 * t + 3),
            -2 * k * p / q,
            4 * k**2 * p * (1 - 2 * k * v) / q**2,
        )
        return tuple(moment.astype(np.float64) for moment in wide), p

    def rise(self, v: Array, apart: Array) -> tuple[Array, Array, Array]:
        """E w(u)^2 - E w(v)^2 of variances v + apart and v, and the largest slope between them.

        Then by what a relative change of v changes it, relative to itself.
        """
        roots = [np.sqrt(1 + 4 * self.rate * a) for a in (v, v + apart)]
        mass = 2 * self.rate * self.size**2
        rise = -2 * mass * apart / (roots[0] * roots[1] * (roots[0] + roots[1]))
        return rise, mass / np.minimum(*roots) ** 3, np.full_like(v, 1.5)

    def distances(
        self, s: Array, s_: Array, angle: Angle, gap: Array, of_gap: Array, variation: float
    ) -> tuple[Array, ...]:
        """The numbers of ``analytic.expectations.close_pairs.Distances``, with all their errors.

        Args:
            s: standard deviations of the first units, (pairs,).
            s_: those of the second ones.
            angle: complements of their correlation.
            gap: s - s'.
            of_gap: its error.
            variation: relative error of s^2 and s'^2, beside that of their difference.
        """
        k, small, v, v_ = self.rate, angle.small, s**2, s_**2
        apart = 2 * k * gap * (s + s_)
        of_apart = 2 * k * of_gap * (s + s_) + (variation + 4 * UNIT) * np.abs(apart)
        q, around = 4 * k**2 * v * v_ * small * (2 - small), 1 + 2 * k * (v + v_)
        g = around + q
        cosine = np.sqrt(np.sqrt((1 + 4 * k * v) * (1 + 4 * k * v_)) / g)
        size = (1 + cosine**2) * (1 + cosine)
        near = ((apart / g) ** 2 + q / g * (1 + around / g)) / size
        # every part has at most four factors with the errors of variances, and 20 roundings
        error = (32 * UNIT + 8 * variation) * near
        error += (2 * np.abs(apart) / g + of_apart / g) * (of_apart / g) / size
        sign = np.where(angle.plus < angle.minus, -1.0, 1.0)
        d = sign * 4 * k**2 * self.size**2 * s * s_ * (1 - small) / (g * np.sqrt(g))
        norms = [2 * k * self.size * a / (1 + 4 * k * a**2) ** 0.75 for a in (s, s_)]
        both = np.abs(norms[0] * norms[1])
        share = np.abs(d) / np.where(both > 0, both, np.inf)
        error_d = (16 * UNIT + 4 * variation) * np.minimum(share, 1)
        return near, 2 - near, d, error, error_d


@lru_cache(maxsize=256)
def gaussian_bump(activation: Activation) -> Bump | None:
    """The activation as a bump whose numbers float64 holds, or None if it is none.

    Example:
        >>> gaussian_bump(Activation("3*exp(-x**2/2)"))
        Bump(size=3.0, rate=0.5)
    """
    w: Any = activation.expression
    size, bump = w.as_independent(X, as_Add=False)
    if not isinstance(bump, sympy.exp):
        return None
    rate, square = bump.args[0].as_independent(X, as_Add=False)
    numbers = (size, -rate)
    if square != X**2 or not rate.is_negative or not all(map(_is_held, numbers)):
        return None
    return Bump(*map(float, numbers))


def _is_held(number: Any) -> bool:
    """Whether float64 holds a number, which was not rounded before."""
    return bool(number.is_Rational) and sympy.Rational(float(number)) == number
