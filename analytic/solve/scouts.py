"""A few inputs that ask most of an activation, looked at before the tables of all sizes are made.

Where an activation varies so fast that close pairs of large inputs are left to rules of two
dimensions, these mostly do not serve. Tables of every octave of the deviations take long then, and
a pair of the largest inputs, which asks for those of one octave, says as much.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import varies_fast
from analytic.machine import Array
from analytic.network import Network
from analytic.pairs import prepare
from analytic.recursion import mean_squares
from analytic.results import AccuracyError, Estimate
from analytic.solve.answer import HOPELESS, solve
from analytic.solve.refusal import of_others

__all__ = ["refused_by_few"]

OCTAVES = 3
"""Octaves of the deviations in the first layer from which on a few inputs are looked at first."""
ALIKE, CLOSE = 1.5, 0.03
"""The largest quotient of deviations and 1 - |rho| of pairs that ask most: series reach others."""


def refused_by_few(
    network: Network, x: Array, kind: str, tolerance: float, *, tight: bool
) -> AccuracyError | None:
    """The refusal of a few of the inputs, if no tolerance will do for these; None otherwise.

    Args:
        network: the description.
        x: all inputs, shape (n, d).
        kind: which kernels.
        tolerance: the promise.
        tight: see ``analytic.pairs.prepare``.
    """
    few = _few(network, x)
    if few is None:
        return None

    def later() -> Estimate:
        problem = prepare(network, x, None, tolerance, tight=tight)
        return solve(problem, kind, math.inf, None, False, certificate=True)

    try:
        solve(prepare(network, x[few], None, tolerance, tight=tight), kind, tolerance, None, False)
    except AccuracyError as refused:
        return of_others(refused, few.tolist(), later) if refused.bound > HOPELESS else None
    except (ArithmeticError, ValueError, MemoryError):
        pass  # the whole says so in its own words
    return None


def _few(network: Network, x: Array) -> NDArray[np.intp] | None:
    """The smallest and the largest input, and the next to the latter and a farther one like it."""
    step = network.steps[0]
    fast = any(varies_fast(step.layer.activation) for step in network.steps)
    if step.normalizes or not fast:
        return None
    weight, bias, *_ = step.coefficients
    s = np.sqrt(weight * mean_squares(x).astype(np.float64) + bias)
    if np.unique(np.frexp(s)[1]).size < OCTAVES:
        return None
    i = int(np.argmax(s))
    both = np.where(s > 0, s, np.inf) * s[i]
    small = 1 - np.abs(weight * (x @ x[i]) / x.shape[1] + bias) / both
    like = np.flatnonzero((ALIKE * s > s[i]) & (small < CLOSE) & (x != x[i]).any(axis=1))
    ends = [int(np.argmin(s)), i]
    if like.size:
        ends += like[[small[like].argmin(), small[like].argmax()]].tolist()
    return np.unique(np.array(ends))
