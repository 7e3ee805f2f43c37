"""A few inputs that ask most of an activation, looked at before the tables of all sizes are made.

Where an activation varies so fast that close pairs of large inputs are left to rules of two
dimensions, these mostly do not serve. Tables of every octave of the deviations take long then. What
the pairs of a few inputs ask of each of them is known by one rule; where that does not settle it, a
pair of the largest inputs asks for the tables of one octave.
"""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from analytic.expectations import (
    MOST_TERMS_WHOLE,
    moments_of_few,
    orders_beyond,
    units_of_few,
    varies_fast,
)
from analytic.machine import Array
from analytic.network import Network
from analytic.pairs import Close, nearly_parallel_pairs, own_ends, prepare
from analytic.recursion import Cost, Stage, diagonal, mean_squares
from analytic.results import AccuracyError, Estimate
from analytic.solve.answer import HOPELESS, solve
from analytic.solve.refusal import Objection, early_refusal, of_others

__all__ = ["refused_by_few"]

Index = NDArray[np.intp]
OCTAVES = 3
"""Octaves of the deviations in the first layer from which on a few inputs are looked at first."""
ALIKE, CLOSE = 1.5, 0.03
"""The largest quotient of deviations and 1 - |rho| of pairs that ask most: series reach others."""
LIKE, TRIED = 4, 4
"""Inputs like the largest one that are looked at without tables, and their pairs."""
BEYOND = 2.0**6
"""How far above the tolerance a bound of such pairs is that no other way lowers to it."""
CERTAIN = 2.0
"""The same of one input by itself, as which all are refused: their tables are no better."""
OTHERS = ArithmeticError, ValueError, MemoryError
"""Errors that the whole says in its own words."""
LEFT = 1e-8
"""What series leave out of a pair that is certainly taken by itself, or the tolerance if larger."""


def refused_by_few(
    network: Network, x: Array, kind: str, tolerance: float, *, tight: bool
) -> AccuracyError | None:
    """The refusal of a few of the inputs; None where these do not settle it.

    Args:
        network: the description.
        x: all inputs, shape (n, d).
        kind: which kernels.
        tolerance: the promise.
        tight: see ``analytic.pairs.prepare``.
    """
    ends, like = _asking_most(network, x)
    if not ends:
        return None

    def later() -> Estimate:
        problem = prepare(network, x, None, tolerance, tight=tight)
        return solve(problem, kind, math.inf, None, False, certificate=True)

    with suppress(*OTHERS):
        unknown = _own(network, x, ends[0], tolerance)
        if unknown is not None:
            return early_refusal(unknown, tolerance, later, x)
    some = like[np.linspace(0, len(like) - 1, min(LIKE, len(like))).astype(np.intp)]
    few = np.unique(np.array([*ends, *some.tolist()]))
    seen: Objection | None = None
    with suppress(*OTHERS):
        seen = _without_tables(network, x[few], tolerance)
    if seen is not None:
        i, j = (int(few[k]) for k in seen.pair)
        return early_refusal(seen._replace(pair=(i, j)), tolerance, later, x)
    few = np.unique(np.array([*ends, *like[[0, -1]].tolist()] if like.size else ends))
    with suppress(*OTHERS):
        try:
            problem = prepare(network, x[few], None, tolerance, tight=tight)
            solve(problem, kind, tolerance, None, False)
        except AccuracyError as refused:
            return of_others(refused, few.tolist(), later) if refused.bound > HOPELESS else None
    return None


def _asking_most(network: Network, x: Array) -> tuple[list[int], Index]:
    """The smallest and the largest input, and those like the latter, the nearest one first."""
    step, none = network.steps[0], np.empty(0, dtype=np.intp)
    fast = any(varies_fast(step.layer.activation) for step in network.steps)
    if step.normalizes or not fast:
        return [], none
    weight, bias, *_ = step.coefficients
    s = np.sqrt(weight * mean_squares(x).astype(np.float64) + bias)
    if np.unique(np.frexp(s)[1]).size < OCTAVES:
        return [], none
    i = int(np.argmax(s))
    both = np.where(s > 0, s, np.inf) * s[i]
    small = 1 - np.abs(weight * (x @ x[i]) / x.shape[1] + bias) / both
    like = np.flatnonzero((ALIKE * s > s[i]) & (small < CLOSE) & (x != x[i]).any(axis=1))
    return [int(np.argmin(s)), i], like[np.argsort(small[like], kind="stable")]


def _own(network: Network, x: Array, smallest: int, tolerance: float) -> Objection | None:
    """What the smallest input says by itself: what bends far from 0 is hardly seen by it."""
    ends, bound = own_ends(network, x[[smallest]])
    if not bound > CERTAIN * tolerance:
        return None
    return Objection(bound, (smallest, smallest), ends, ())


def _without_tables(network: Network, x: Array, tolerance: float) -> Objection | None:
    """What pairs that no series serves say against a kernel, before there are tables.

    Others may be known less well, and all of them by rules of two dimensions alone, which take
    long: no tolerance is promised. Inputs on a line are left to tables, whose rule may serve
    without a bias.
    """
    step = network.steps[0]
    if x.shape[1] == 1 and step.bias == 0:
        return None
    ends = diagonal(network, mean_squares(x), moments_of_few)
    i, j = _beyond_series(ends.stages[0], x, max(LEFT, tolerance))
    if i.size == 0:
        return None
    costs = list[Cost]()
    close = Close.of(network, ends, wanted=tolerance, known=units_of_few)
    error = nearly_parallel_pairs(close, x[i], x[j], i, j, costs=costs).error
    worst = int(np.argmax(np.nan_to_num(error, nan=0.0)))
    if not error[worst] > BEYOND * tolerance:
        return None
    pair = int(i[worst]), int(j[worst])
    return Objection(float(error[worst]), pair, ends, costs, margin=math.inf)


def _beyond_series(stage: Stage, x: Array, least: float) -> tuple[Index, Index]:
    """The pairs of which the longest series of a first layer leave out so much, TRIED at most."""
    weight, bias, *_ = stage.step.coefficients
    s, (i, j) = np.sqrt(stage.variance), np.triu_indices(len(x), 1)
    rho = np.abs((weight * (x @ x.T) / x.shape[1] + bias)[i, j] / (s[i] * s[j]))
    activation = stage.step.layer.activation
    beyond = orders_beyond(activation, stage.moments, s, MOST_TERMS_WHOLE)
    left = np.minimum(rho, 1) ** MOST_TERMS_WHOLE * np.sqrt(beyond[i] * beyond[j]) > least
    i, j = i[left], j[left]
    most = np.argsort(-np.maximum(s[i], s[j]), kind="stable")[:TRIED]
    return i[most], j[most]
