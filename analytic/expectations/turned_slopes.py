r"""How much E w'(u) w'(v) changes where w' jumps and the angle between u and v is not known well.

At s = s' and rho = 1 - e it lacks E (w'(u) - w'(v))^2/2 of E w'(u)^2. With L the largest |w''|
beside the kinks and B the sum of the sizes of the jumps of w',

    E (w'(u) - w'(v))^2/2 <= L^2 E (u - v)^2 + B sum_i |beta_i| P(x_i lies between u and v)
                          <= 2 L^2 s^2 e + B^2 (e/2)^(1/2),

since by Plackett's identity no place lies between u and v as often as 0 does, for which it is
arccos(1 - e)/pi <= (e/2)^(1/2). Where |rho| changes by e at any s, s' and rho, Cauchy and Schwarz,
coefficient by coefficient, bound the change by the root of the product of these for s and for s'.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.machine import Array
from analytic.proofs import jump, kinks

__all__ = ["slope_change", "turning"]


class _Bends(NamedTuple):
    """L and B of an activation; L is infinite where w'' grows."""

    steepest: float
    jumps: float


FURTHEST = 2.0**20
"""Up to where w'' is looked at."""


@lru_cache(maxsize=64)
def _bends(activation: Activation) -> _Bends:
    """L is looked for at many points, and enters estimates only."""
    places = kinks(activation.expression).places
    found = (jump(activation.expression, place, 1) for place in places)
    jumps = sum(abs(float(one.left) - float(one.right)) for one in found if one is not None)
    away = np.geomspace(2.0**-40, FURTHEST, 2**12)
    around = [float(place) + sign * away for place in (0.0, *places) for sign in (-1, 1)]
    second = np.abs(activation.derivatives(np.concatenate(around), 2)[2])
    far = np.abs(activation.derivatives(np.array([-FURTHEST, FURTHEST]), 2)[2])
    steepest = float(second.max())
    grows = not np.isfinite(steepest) or float(far.max()) >= steepest > 0
    return _Bends(np.inf if grows else 1.01 * steepest, jumps)


MOST = 2.0**200
"""Stands for an infinite L: products with 0 are numbers."""


def turning(activation: Activation, s: Array) -> tuple[Array, Array]:
    """Roots of the factors of e and of its root in ``slope_change``, (n,) each."""
    steepest, jumps = _bends(activation)
    return min(steepest, MOST) * math.sqrt(2) * s, np.full(s.shape, jumps * 0.5**0.25)


def slope_change(activation: Activation, s: Array, e: Array) -> Array:
    """The bound of what E w'(u)^2 loses at 1 - rho = e, (pairs,); infinite where w'' grows."""
    steepest, jumps = _bends(activation)
    if steepest == np.inf:
        return np.full(e.shape, np.inf)
    return np.asarray(2 * (steepest * s) ** 2 * e + jumps**2 * np.sqrt(e / 2))
