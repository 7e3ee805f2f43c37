"""How exact a sum over fixed nodes is under outer laws of every width: half the step tells.

Legend: nodes y = scale sinh(t), equidistant in t; sigma the deviation of an outer law.
"""

from __future__ import annotations

import math

import numpy as np

from analytic.activation import Activation
from analytic.expectations.quadrature import Extended
from analytic.machine import Array

__all__ = ["NARROWEST", "outer_errors"]

NARROWEST = -2
"""Octave of the narrowest outer law that the nodes resolve, relative to ``scale``."""
FARTHEST = 64
"""Deviations from which on a normal law takes everything down that is of polynomial growth."""


def outer_errors(
    activation: Activation, scale: float, step: float, half: int, highest: int, smooth: bool
) -> Array:
    """The relative error of the outer sum on every octave of sigma from NARROWEST of scale.

    By a rule of half the step, on the squares of w, w' and y w'; summed in extended precision,
    lest their own rounding be taken for an error of the rule.
    """
    y = scale * np.sinh(step / 2 * np.arange(-2 * half, 2 * half + 1))
    w, w1 = (f.astype(np.longdouble) for f in activation.derivatives(y, 1))
    squares = np.stack([w**2, w1**2, (y.astype(np.longdouble) * w1) ** 2])
    if not smooth:  # a jump at a node counts half of either side
        squares[:, 2 * half] = (squares[:, 2 * half - 1] + squares[:, 2 * half + 1]) / 2
    first = round(math.log2(scale)) + NARROWEST
    sigmas = 2.0 ** (first + np.arange(highest + 1 - first)[:, None] + np.array([0.0, 0.4, 0.8]))
    return np.array([max(_halved(y, squares, scale, sigma) for sigma in row) for row in sigmas])


def _halved(y: Array, squares: Extended, scale: float, sigma: float) -> float:
    """What half the step changes under one outer law; infinite where float64 cannot hold w.

    Far beyond the law nothing is asked: 0 would be multiplied there by what may be infinite.
    """
    begin = 2 * (int(np.searchsorted(y, -FARTHEST * sigma)) // 2)  # coarse nodes are the even ones
    some = slice(begin, y.size - begin)
    squares, wide = squares[:, some], y[some].astype(np.longdouble)
    if not np.isfinite(squares).all():
        return math.inf
    p = np.exp(-((wide / sigma) ** 2) / 2) * np.hypot(wide, scale)
    fine = squares @ p / p.sum()
    # p sums to 1 under either rule up to the error that is looked for
    coarse = squares[:, ::2] @ p[::2] * 2 / p.sum()
    return float(np.max(np.abs(coarse - fine) / np.where(fine > 0, fine, 1)))
