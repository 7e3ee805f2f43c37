"""Which cheap way pairs that the tiles leave out have through the first layer, or through all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analytic.pairs.close_inputs import Close
from analytic.pairs.near_layers import NearLayers
from analytic.pairs.rays import Rays, are_on_a_line
from analytic.pairs.row_blocks import Series
from analytic.pairs.wide_inputs import ENOUGH, WideInputs
from analytic.recursion import Problem

__all__ = ["Entry", "cheap_entry"]

Index = NDArray[np.intp]
Entry = NearLayers | WideInputs | Rays

MANY, MOST = 2**17, 2**19
"""Pairs for which tables of 1 - |c| are made, at least, and from which on they are the quickest."""
SERVED = 0.9
"""The share of pairs that cells of wide deviations serve, from which on these are taken."""
LOOKED_AT = 2**9
"""Pairs that are looked at."""


def cheap_entry(problem: Problem, close: Close, pairs: int, i: Index, j: Index) -> Entry | None:
    """A cheap first layer, if pairs behind it are all that is asked, or come back to tiles.

    Args:
        problem: a network and its inputs.
        close: the same, ready for pairs that are left out.
        pairs: how many there are: tables are made for a number that is worth it.
        i: rows of some or all of them, sorted.
        j: their columns.
    """
    method, features, first = problem.method, problem.x.shape[1], close.ends.stages[0]
    if not isinstance(method, Series):
        return None
    returns = method.behind is not None or len(close.ends.stages) == 1
    if returns and are_on_a_line(first, features, method.error):
        return Rays.of(close, problem.x if problem.own else np.concatenate([problem.x, problem.y]))
    if pairs < ENOUGH:
        return None
    depth = 1 if method.behind is not None else len(close.ends.stages)
    if all(stage.step.layer.activation.bent_line for stage in close.ends.stages[:depth]):
        return NearLayers.of(close, features, depth)  # without tables
    wide = _by_cells(method, close, features)
    if pairs < MANY or (pairs < MOST and wide is not None and _serves(wide, problem, i, j)):
        return wide
    return NearLayers.of(close, features, depth) or wide


def _by_cells(method: Series, close: Close, features: int) -> WideInputs | None:
    through = WideInputs.through(close, features, method.error)
    alone = through is None and method.behind is not None
    return WideInputs.of(close, features, method.error, 1) if alone else through


def _serves(wide: WideInputs, problem: Problem, i: Index, j: Index) -> bool:
    """Whether nearly all pairs of a sample have cells."""
    some = np.linspace(0, i.size - 1, LOOKED_AT).astype(np.intp)
    shift = 0 if problem.own else problem.shape[0]
    cells = wide.cells_of_inputs(problem.x, problem.y, i[some], j[some], shift)
    return bool((cells >= 0).mean() >= SERVED)
