"""How exact a sum over fixed nodes is under outer laws of every width: half the step tells.

Legend: sigma the deviation of an outer law, beta the scale of the nodes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.outer_nodes import OuterNodes
from analytic.expectations.quadrature import Extended
from analytic.expectations.smoothing import smoothed, starts
from analytic.machine import Array

__all__ = ["NARROWEST", "outer_errors"]

NARROWEST = -2
"""Octave of the narrowest outer law that the nodes resolve, relative to ``scale``."""
FARTHEST = 64
"""Deviations from which on a normal law takes everything down that is of polynomial growth."""


def outer_errors(
    activation: Activation, nodes: OuterNodes, highest: int, smooth: bool, tau: float
) -> Array:
    """The relative error of the outer sum on every octave of sigma from NARROWEST of beta.

    By a rule of half the step, on the squares of w, w' and y w', and where that is wider than the
    rules of half a line can see, of w and w' smoothed by the smallest ``tau``; summed in extended
    precision, lest their own rounding be taken for an error of the rule.
    """
    y, dy, whole = nodes.rule(2)
    w, w1 = (f.astype(np.longdouble) for f in activation.derivatives(y, 1))
    squares = np.stack([w**2, w1**2, (y.astype(np.longdouble) * w1) ** 2])
    middle = y.size // 2
    if not smooth:  # a jump at a node counts half of either side
        squares[:, middle] = (squares[:, middle - 1] + squares[:, middle + 1]) / 2
    if nodes.halves:
        squares = np.concatenate([squares, _smoothed_squares(activation, y, tau)])
    first = round(math.log2(nodes.scale)) + NARROWEST
    sigmas = 2.0 ** (first + np.arange(highest + 1 - first)[:, None] + np.array([0.0, 0.4, 0.8]))
    twice = np.where(whole, 2, 0)
    return np.array([max(_halved(y, dy, twice, squares, s) for s in row) for row in sigmas])


def _smoothed_squares(activation: Activation, y: Array, tau: float) -> Extended:
    """W^2 and W'^2 at a tau, (2, q)."""
    start = starts(activation, y, tau, 0.0)
    rises = smoothed(activation, y, np.array([tau]), 32, 1.0, 0.0, start)[:2, 0]
    return (rises.astype(np.longdouble) + start) ** 2


def _halved(
    y: Array, dy: Extended, twice: NDArray[np.intp], squares: Extended, sigma: float
) -> float:
    """What half the step changes under one outer law; infinite where float64 cannot hold w.

    Far beyond the law nothing is asked: 0 would be multiplied there by what may be infinite.
    """
    begin = int(np.searchsorted(y, -FARTHEST * sigma))
    some = slice(begin, y.size - begin)
    squares, wide = squares[:, some], y[some].astype(np.longdouble)
    if not np.isfinite(squares).all():
        return math.inf
    p = np.exp(-((wide / sigma) ** 2) / 2) * dy[some]
    fine = squares @ p / p.sum()
    # p sums to 1 under either rule up to the error that is looked for
    coarse = squares @ (p * twice[some]) / p.sum()
    return float(np.max(np.abs(coarse - fine) / np.where(fine > 0, fine, 1)))
