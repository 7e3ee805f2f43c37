r"""Hermite coefficients of erf in closed form: they need no table.

With t = 2 s^2/(1 + 2 s^2) and a_j = binom(2j, j)/4^j the generating function of the Hermite
polynomials gives

    c_2j = E[w'(s z) h_2j(z)] = 2/sqrt(pi (1 + 2 s^2)) sqrt(a_j) (-t)^j,

and those of odd order are 0. What the coefficients from J on have of E[w'^2] is a sum of falling
convex terms, since a_j <= 1/sqrt(pi (j + 1/4)) (Kazarinoff 1956): with q = -2 log t

    sqrt(1 - t^2) sum_{j >= J} a_j t^2j  <=  a_J t^2J/sqrt(1 - t^2),
                                         <=  sqrt((1 - t^2)/q) exp(q/4) erfc sqrt(q (J - 1/4)),

and 1 - t^2 = (1 + 4 s^2)/(1 + 2 s^2)^2. It grows with t.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from analytic.compilation import compiled, fused
from analytic.expectations.quadrature import twofold_product, twofold_sum
from analytic.machine import UNIT, Array

__all__ = ["ERF_COEFFICIENTS", "erf_coefficients", "erf_length", "erf_rest"]

ERF_COEFFICIENTS = 8 * UNIT
"""Relative error of every coefficient. The factor before it has 3.5 roundings (half of that of
1 + 2 s^2, a root, 2/sqrt(pi), a quotient), t^j, which is known to twice the digits, and
sqrt(a_j/(2j + 1)) have one each, and there are two products."""
TWO_OVER_ROOT_PI = float(2 / np.sqrt(np.arccos(np.longdouble(-1))))


def erf_coefficients(s: Array, low: Array, terms: int) -> Array:
    """b_0, b_2, ... for all even orders below ``terms`` at s + low, shape (orders, n)."""
    count = -(-terms // 2)
    b = np.empty((count, s.size))
    _fill(s, low, _roots(count), b)
    return b


def erf_rest(s: Array, terms: int) -> Array:
    """A bound of the share of E[w'(s z)^2] that is left after so many orders, shape (n,)."""
    return _rest(s, np.array(float(-(-terms // 2))))


def erf_length(s: float, tail: float, most: int) -> int:
    """How many orders leave a share of at most ``tail`` at s, in eights."""
    few = np.arange(8, most + 1, 8)
    enough = _rest(np.array(s), few / 2) <= tail
    return int(few[np.argmax(enough)]) if enough.any() else most


_erfc: Any = np.frompyfunc(math.erfc, 1, 1)


def _rest(s: Array, j: Array) -> Array:
    """The smaller of the two bounds, for J >= 1; 1 is more than any share."""
    v = np.maximum(s * s, 1e-300)
    q, beside = 2 * np.log1p(0.5 / v), (1 + 4 * v) / (1 + 2 * v) ** 2
    k = np.maximum(j, 1.0)
    first = np.exp(-q * k) / np.sqrt(np.pi * (k + 0.25) * beside)
    root = np.sqrt(q * (k - 0.25))
    tail = np.asarray(_erfc(root), dtype=np.float64) * np.exp(q / 4)
    both = np.minimum(first, np.sqrt(beside / q) * tail)
    share = np.where(j > 0, np.minimum(both, 1.0), 1.0)
    return np.asarray(share * (1 + 2.0**-40) + 1e-300)  # for what underflows


@lru_cache(maxsize=16)
def _roots(count: int) -> Array:
    """sqrt(a_j/(2j + 1)), each rounded once."""
    j = np.arange(1, count).astype(np.longdouble)
    a = np.append(np.longdouble(1), np.cumprod((2 * j - 1) / (2 * j)))
    return np.sqrt(a / (2 * np.arange(count) + 1)).astype(np.float64)


@compiled
def _fill(s: Any, below: Any, roots: Any, b: Any) -> None:
    """b[j] = 2/sqrt(pi (1 + 2 s^2)) (-t)^j roots[j]."""
    t, t_low, front = np.empty(s.size), np.empty(s.size), np.empty(s.size)
    power, low = np.ones(s.size), np.zeros(s.size)
    for i in range(s.size):
        v, v_low = twofold_product(s[i], below[i], s[i], below[i])
        h, h_low = twofold_sum(1.0, 0.0, 2.0 * v, 2.0 * v_low)
        q = 2.0 * v / h
        t[i] = -q
        t_low[i] = -(fused(-q, h, 2.0 * v) + (2.0 * v_low - q * h_low)) / h
        front[i] = TWO_OVER_ROOT_PI / np.sqrt(h)
    for j in range(roots.size):
        for i in range(s.size):
            b[j, i] = front[i] * (power[i] * roots[j])
            p, q = power[i], power[i] * t[i]
            e = fused(p, t[i], -q) + (p * t_low[i] + low[i] * t[i])
            power[i] = q + e
            low[i] = e - (power[i] - q)
