r"""Close pairs by Mehler's series, compiled: few terms, and no cancellation.

With a_0 = E w(sz)/r and a_{k+1} = s b_k(s)/r the coordinates of a unit of norm 1, and
correlation rho > 0,

    1 - c = sum_k (a_k - a'_k)^2/2 + sum_k a_k a'_k (1 - rho^k),

and the same for rho < 0 with a'_k (-1)^k, and for 1 + c with -a'_k.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import compiled
from analytic.machine import Array

__all__ = ["short_series"]


@compiled
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
