"""Which cheap way pairs that the tiles leave out have through the first layer, or through all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations import conditioning_tables, is_bent
from analytic.machine import UNIT
from analytic.pairs.close_inputs import Close
from analytic.pairs.layers_behind import behind_first_layer
from analytic.pairs.near_layers import NearLayers
from analytic.pairs.nearly_parallel import NearlyParallel
from analytic.pairs.rays import Rays, are_on_a_line
from analytic.pairs.row_blocks import Series
from analytic.pairs.wide_inputs import ENOUGH, WideInputs
from analytic.recursion import Problem, Stage, in_kernels

__all__ = ["Entry", "by_entry", "cheap_entries", "enough", "first_layers"]

Index = NDArray[np.intp]
Entry = NearLayers | WideInputs | Rays

MANY, MOST = 2**16, 2**19
"""Pairs for which tables of 1 - |c| are made, at least, and from which on they are the quickest."""
MANY_KINKED = 2**14
"""Those for which they are made where w has a kink at 0: other ways take 3 us a pair."""
SERVED = 0.9
"""The share of pairs that cells of wide deviations serve, from which on these are taken."""
LOST = 0.1
"""The share that comes back to the tiles in vain, from which on all layers are taken by tables."""
LOOKED_AT = 2**8
"""Pairs that are looked at."""


def cheap_entries(
    problem: Problem, close: Close, pairs: int, i: Index, j: Index
) -> tuple[Entry, ...]:
    """Cheap first layers, if pairs behind them are all that is asked, or come back to tiles.

    What the first of them does not serve is left to the next one.

    Args:
        problem: a network and its inputs.
        close: the same, ready for pairs that are left out.
        pairs: how many there are: tables are made for a number that is worth it.
        i: rows of some or all of them, sorted.
        j: their columns.
    """
    method, stages = problem.method, close.ends.stages
    if not isinstance(method, Series):
        return ()
    if method.near:
        return method.near
    returns = method.behind is not None or len(stages) == 1
    rays = None
    if returns and are_on_a_line(stages[0], problem.x.shape[1], method.error):
        inputs = problem.x if problem.own else np.concatenate([problem.x, problem.y])
        rays = Rays.of(close, inputs)
        if rays is not None and (pairs < enough(stages) or not _is_vain(rays, problem, i, j)):
            return (rays,)
    others = _by_tables(problem, close, pairs, i, j) if pairs >= ENOUGH else None
    return tuple(entry for entry in (rays, others) if entry is not None)


def _by_tables(problem: Problem, close: Close, pairs: int, i: Index, j: Index) -> Entry | None:
    method, layers = problem.method, len(close.ends.stages)
    assert isinstance(method, Series)
    depth = 1 if method.behind is not None else layers
    if all(stage.step.layer.activation.bent_line for stage in close.ends.stages[:depth]):
        return first_layers(problem, close, depth)  # without tables
    wide = _by_cells(method, close, problem.x.shape[1])
    few = pairs < enough(close.ends.stages)
    if few or (pairs < MOST and wide is not None and _serves(wide, problem, i, j)):
        return wide
    near = first_layers(problem, close, depth)
    if near is not None and depth < layers and _is_vain(near, problem, i, j):
        near = first_layers(problem, close, layers) or near
    return near or wide


def enough(stages: Sequence[Stage]) -> int:
    """Pairs for which tables of 1 - |c| are made, at least."""
    kinked = (_is_kinked(stage.step.layer.activation) for stage in stages)
    return MANY_KINKED if any(kinked) else MANY


def _is_kinked(activation: Activation) -> bool:
    """Whether pairs go by conditioning, which knows a kink at 0."""
    if activation.bent_line is not None or not is_bent(activation):
        return False
    tables = conditioning_tables(activation)
    return tables is not None and not tables.smooth


def first_layers(problem: Problem, close: Close, depth: int) -> NearLayers | None:
    """The first so many layers by tables of 1 - |c|, if all have them."""
    (n, features), bound = problem.x.shape, problem.method.error
    return NearLayers.of(close, features, bound, depth, n, problem.own)


def _by_cells(method: Series, close: Close, features: int) -> WideInputs | None:
    through = WideInputs.through(close, features, method.error)
    alone = through is None and method.behind is not None
    return WideInputs.of(close, features, method.error, 1) if alone else through


def _some(i: Index, j: Index) -> tuple[Index, Index]:
    """A sample of pairs."""
    some = np.linspace(0, i.size - 1, LOOKED_AT).astype(np.intp)
    return i[some], j[some]


def _serves(wide: WideInputs, problem: Problem, i: Index, j: Index) -> bool:
    """Whether nearly all pairs of a sample have cells."""
    shift = 0 if problem.own else problem.shape[0]
    cells = wide.cells_of_inputs(problem.x, problem.y, *_some(i, j), shift)
    return bool((cells >= 0).mean() >= SERVED)


def _is_vain(entry: NearLayers | Rays, problem: Problem, i: Index, j: Index) -> bool:
    """Whether many pairs of a sample that come back to the tiles are left out again."""
    found = by_entry(problem, entry, *_some(i, j))
    return bool((~(found.error <= problem.method.error)).mean() > LOST)


def by_entry(problem: Problem, entry: Entry, i: Index, j: Index) -> NearlyParallel:
    """The pairs that have a cheap first layer, the others NaN; see ``left_out_pairs``."""
    found = NearlyParallel(*np.full((3, i.size), np.nan))
    method = problem.method
    assert isinstance(method, Series)
    shift = 0 if problem.own else problem.shape[0]
    if isinstance(entry, Rays):
        served, first = np.arange(i.size), entry.first_layer(i, j + shift)
    else:
        served, first = entry.behind(problem.x, problem.y, i, j, shift)
    sigma, theta, *error = first
    if served.size == 0:
        return found
    first = NearlyParallel(sigma, theta, np.stack(error))
    if method.behind is not None and entry.depth == 1:
        part = behind_first_layer(method, method.behind, first, i[served], j[served])
    else:  # the error of a sum of kernels is between those of its parts
        whole = first.error.max(axis=0) + 4 * UNIT + in_kernels(entry.close.ends)[-1]
        part = first._replace(error=whole)
    for all_, values in zip(found, part, strict=True):
        all_[served] = values
    return found
