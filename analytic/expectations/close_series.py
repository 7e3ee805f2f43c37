r"""Close pairs by Mehler's series, compiled: few terms, and no cancellation.

With a_0 = E w(sz)/r and a_{k+1} = s b_k(s)/r the coordinates of a unit of norm 1, and
correlation rho > 0,

    1 - c = sum_k (a_k - a'_k)^2/2 + sum_k a_k a'_k (1 - rho^k),

and the same for rho < 0 with a'_k (-1)^k, and for 1 + c with -a'_k.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.machine import Array

__all__ = ["series_responses", "short_series"]


@elementwise
def _series(a: Any, a_: Any, b: Any, b_: Any, minus: Any, plus: Any, whole: Any, out: Any) -> None:
    terms = a.shape[1]
    for i in range(a.shape[0]):
        flip = plus[i] < minus[i]
        small = plus[i] if flip else minus[i]
        size = 1.0 - small
        less = more = bent = cosine = d = 0.0
        lost, power, sign = 0.0, 1.0, 1.0  # 1 - |rho|^k, |rho|^k, the sign of rho^k
        for k in range(terms):
            x, y = a[i, k], sign * a_[i, k]
            less += (x - y) * (x - y)
            more += (x + y) * (x + y)
            bent += x * y * lost
            cosine += x * y * power
            if k + 1 < terms:
                d += (k + 1) * (sign * power) * (b[i, k] * b_[i, k])
            lost = lost * size + small
            power *= size
            sign = -sign if flip else sign
        if whole[i]:
            out[0, i] = less / 2 + bent
            out[1, i] = more / 2 - bent
        else:
            out[0, i] = 1 - cosine
            out[1, i] = 1 + cosine
        out[2, i] = d
        out[3, i] = (more if flip and more < less else less) / 2


def short_series(
    a: Array, a_: Array, b: Array, b_: Array, minus: Array, plus: Array, whole: Any
) -> Array:
    """(minus, plus, d, the part of the differences of coordinates), shape (4, pairs).

    Args:
        a: coordinates of the first units, shape (pairs, terms).
        a_: of the second ones.
        b: the coefficients b_k of the first units, shape (pairs, terms - 1).
        b_: of the second ones.
        minus: 1 - rho, shape (pairs,).
        plus: 1 + rho.
        whole: whether the coordinates are complete; otherwise c itself is summed.
    """
    out = np.empty((4, len(a)))
    _series(a, a_, b, b_, minus, plus, whole, out)
    return out


@elementwise
def _responses(b: Any, b_: Any, small: Any, out: Any) -> None:
    terms = b.shape[1]
    for i in range(b.shape[0]):
        power, one, other, turned, turned_ = 1.0, 0.0, 0.0, 0.0, 0.0
        for k in range(terms - 2):
            c, c_ = b[i, k] * b[i, k] * (k + 1), b_[i, k] * b_[i, k] * (k + 1)
            d = np.sqrt(k + 1.0) * (k * b[i, k] + np.sqrt((k + 2.0) * (k + 3.0)) * b[i, k + 2])
            d_ = np.sqrt(k + 1.0) * (k * b_[i, k] + np.sqrt((k + 2.0) * (k + 3.0)) * b_[i, k + 2])
            one, other = one + power * c, other + power * c_
            turned, turned_ = turned + power * d * d, turned_ + power * d_ * d_
            power *= 1.0 - small[i]
        out[i] = (np.sqrt(turned * other) + np.sqrt(turned_ * one)) / 2


def series_responses(b: Array, b_: Array, small: Array) -> Array:
    """How much a relative change of both variances changes E w'(u) w'(v) at most, (pairs,).

    By Cauchy and Schwarz for each power of rho, with s d c_k/d s = k c_k + ((k + 1)(k + 2))^(1/2)
    c_(k + 2) and s^2 moving twice as fast as s.

    Args:
        b: coefficients b_k of the first units, shape (pairs, terms).
        b_: those of the second ones.
        small: 1 - |rho|.
    """
    out = np.empty(len(b))
    _responses(b, b_, small, out)
    return out
