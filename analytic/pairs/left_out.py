"""Pairs that the tiles leave out.

Mostly it is the first layer that leaves them out: inputs that nobody scaled are large, what the
other layers see is not. Behind the first layer such pairs come back to the tiles; what these leave
out again goes through all layers by ``nearly_parallel_pairs``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from analytic.pairs.close_inputs import Close
from analytic.pairs.entries import Entry, by_entry
from analytic.pairs.input_angles import alike
from analytic.pairs.layers_behind import behind_first_layer
from analytic.pairs.nearly_parallel import (
    NearlyParallel,
    behind,
    first_state,
    nearly_parallel_pairs,
)
from analytic.pairs.row_blocks import Series
from analytic.recursion import Problem, diagonal, mean_squares

__all__ = ["NEAR", "left_out_pairs"]

Index = NDArray[np.intp]
Way = Callable[[Index, Index], NearlyParallel]


def left_out_pairs(
    problem: Problem, close: Close, entries: Sequence[Entry], i: Index, j: Index
) -> NearlyParallel:
    """Sigma and Theta of the pairs of the rows i and the columns j of a problem, sorted by rows.

    Args:
        problem: a network and its inputs.
        close: the same, ready for pairs that are left out.
        entries: cheap first layers, if there are some, and those for what these do not serve.
        i: rows, shape (pairs,).
        j: columns, the same.
    """
    found, method = NearlyParallel(*np.full((3, i.size), np.nan)), problem.method
    bound = method.error if isinstance(method, Series) else 0.0
    ways: list[tuple[Way, int]] = [(partial(by_entry, problem, e), TABULATED) for e in entries]
    ways.append((partial(_sharply, problem, close), _close_together(problem.x.shape[1])))
    for way, step in ways:
        again = np.flatnonzero(~(found.error <= bound))
        for start in range(0, again.size, step):
            part = again[start : start + step]
            for whole, values in zip(found, way(i[part], j[part]), strict=True):
                whole[part] = values
    return found


TABULATED = 2**16
"""Pairs that are taken by tables at a time, at most."""
NEAR = 8192
"""Close pairs taken at a time, at most: those that share tables are summed in step."""
NUMBERS = 2**23
"""Features of such pairs, at most, unless the pairs are FEW."""
FEW = 2048


def _close_together(features: int) -> int:
    """How many close pairs are taken at a time."""
    return max(FEW, min(NEAR, NUMBERS // max(features, 1)))


def _sharply(problem: Problem, close: Close, i: Index, j: Index) -> NearlyParallel:
    """Pairs without tables; those that are not known well enough with the gaps of their norms.

    Then the inputs of these pairs alone count: errors of tables are the largest over all inputs.
    """
    method, ends = problem.method, close.ends
    same, opposite = alike(problem.network, problem.x[i], problem.y[j])
    if any(step.bias_rate for step in problem.network.steps):  # a trained bias sees no sign
        opposite[:] = False
    sign, own = np.where(opposite, -1.0, 1.0), np.full(i.size, method.diagonal)
    found = NearlyParallel(sign * ends.sigma[i], sign * ends.theta[i], own)
    apart = np.flatnonzero(~(same | opposite))
    for whole, part in zip(found, _one_by_one(problem, close, i[apart], j[apart]), strict=True):
        whole[apart] = part
    bound = method.error if isinstance(method, Series) else np.inf
    again = apart[~(found.error[apart] <= bound)]
    again = again[np.argsort(-found.error[again], kind="stable")]
    hopeless = max(4 * bound, close.wanted) if close.wanted > 0 else np.inf
    steps = (0, WORST, hopeless), (WORST, TRIED, 4 * bound), (TRIED, again.size, 4 * bound)
    for start, end, enough in steps:
        part = again[start:end]
        better = _with_gaps(problem, i[part], j[part], close.wanted)
        chosen = ~(found.error[part] <= better.error)
        for whole, values in zip(found, better, strict=True):
            whole[part[chosen]] = values[chosen]
        if not (found.error[again[:end]] <= enough).all():
            break
    return found


def _with_gaps(problem: Problem, i: Index, j: Index, wanted: float) -> NearlyParallel:
    """Pairs that carry the gaps of their norms, with tables of their inputs alone."""
    if i.size == 0:
        return NearlyParallel(*np.empty((3, 0)))
    x, y = problem.x[i], problem.y[j]
    column = j + (0 if problem.own else problem.shape[0])
    used, place = np.unique(np.concatenate([i, column]), return_inverse=True)
    inputs = problem.x if problem.own else np.concatenate([problem.x, problem.y])
    ends = diagonal(problem.network, mean_squares(inputs[used]))
    close = Close.of(problem.network, ends, LONG, wanted)
    return nearly_parallel_pairs(close, x, y, *place.reshape(2, -1), sharp=True)


WORST, TRIED = 2**4, 2**8
"""The worst pairs, which are taken first: where they stay beyond what is wanted, or these far
beyond the bound, all is refused, and rules of two dimensions would take long for the others."""
LONG = 384
"""Coefficients of pairs that are looked at again: where these suffice, the series errs least."""


def _one_by_one(problem: Problem, close: Close, i: Index, j: Index) -> NearlyParallel:
    """Pairs without tables."""
    x, y = problem.x[i], problem.y[j]
    column = j if problem.own else j + problem.shape[0]
    method = problem.method
    if not isinstance(method, Series) or method.behind is None:
        return nearly_parallel_pairs(close, x, y, i, column)
    state = first_state(close, x, y, i, column)
    found = behind_first_layer(method, method.behind, behind(close, state, i, column), i, j)
    again = np.flatnonzero(~(found.error <= method.error))
    if again.size:
        pairs = x[again], y[again], i[again], column[again]
        rest = nearly_parallel_pairs(close, *pairs, begun=state.take(again))
        for whole, part in zip(found, rest, strict=True):
            whole[again] = part
    return found
