r"""Upper bounds of Gaussian integrals of |w| and |w'|, by enclosures on boxes.

    I_1(t) >= E |f(t z)|,    I_2(t) >= E f(t z)^2,    and the parts of them beyond |z| = Z.

Only the order of magnitude counts: the bounds of quadrature and interpolation multiply
them by numbers like 1e-20. The real line is cut into boxes, on each of which |f| is enclosed;
beyond ``START`` its order of growth takes over, which the Gaussian outweighs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from analytic.expressions import START, derivative
from analytic.machine import Array
from analytic.proofs import log_real_modulus, tail

__all__ = ["Majorant", "majorant"]


WIDEST = START / 128
"""Largest standard deviation for which the boxes are enough: what has a finite mean square grows
like exp(38 z) at most, and beyond START, where |z| > 128, its mass is less than e^-4000."""


@dataclass(frozen=True, slots=True, eq=False)
class Majorant:
    """A function f by upper bounds on boxes that cover [-START, START].

    Attributes:
        near: distances from 0 of the near ends of the boxes, shape (boxes,).
        far: those of their far ends.
        log_size: log sup |f|, on the boxes to the right and to the left, shape (2, boxes).
    """

    near: Array
    far: Array
    log_size: Array

    def log_mean(self, deviation: Array, power: int) -> Array:
        """log of a bound of E |f(t z)|^power for every standard deviation t."""
        return self.log_tail(deviation, deviation, np.zeros_like(deviation), power)

    def log_tail(self, low: Array, high: Array, reach: Array, power: int) -> Array:
        """The same over |z| > reach, for all standard deviations from low to high.

        A box counts with its own mass or with all that lies beyond its near end.
        """
        low, high, reach = (a[..., None] for a in (low, high, reach))
        least = np.maximum(self.near / high, reach)  # (..., boxes)
        width = np.minimum(self.far / low - least, 1.26)
        with np.errstate(divide="ignore", over="ignore"):
            mass = np.log(np.maximum(width, 0.0) * 0.4) - least**2 / 2
            terms = power * self.log_size + mass[..., None, :]  # (..., 2, boxes)
            found = np.logaddexp.reduce(terms, axis=(-2, -1)) + 1e-9
        return np.where(high[..., 0] <= WIDEST, found, np.inf)


@lru_cache(maxsize=512)
def majorant(expression: Any, order: int) -> Majorant | None:
    """That of a derivative of an expression, or None if no bound of its growth is known."""
    function = derivative(expression, order)
    for side in (1, -1):
        above = tail(function, side).above
        if above is None or above.curvature > 0 or above.rate > 2**20 or above.power > 2**20:
            return None
    ends = _ends()
    near, far = ends[:-1], ends[1:]
    low, high = np.concatenate([near, -far]), np.concatenate([far, -near])
    logs = log_real_modulus(function, low, high)
    found = Majorant(near, far, logs.reshape(2, -1))
    return found if found.log_mean(np.array([1.0]), 2)[0] < np.inf else None


def _ends() -> Array:
    """Boxes that are an eighth of their distance wide, and double far out."""
    fine = 2.0 ** np.arange(-8, 10, 0.125)
    return np.concatenate([[0.0], fine, 2.0 ** np.arange(10, math.log2(START) + 1)])
