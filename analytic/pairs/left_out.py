"""Pairs that the tiles leave out.

Mostly it is the first layer that leaves them out: inputs that nobody scaled are large, what the
other layers see is not. Behind the first layer such pairs come back to the tiles; what these leave
out again goes through all layers by ``nearly_parallel_pairs``.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytic.compilation import compiled
from analytic.machine import LANES, UNIT, aligned
from analytic.pairs.close_inputs import Close
from analytic.pairs.close_lanes import row_weights
from analytic.pairs.entries import Entry
from analytic.pairs.full_tiles import are_dense, fill_tiles
from analytic.pairs.nearly_parallel import (
    NearlyParallel,
    alike,
    first_layer,
    nearly_parallel_pairs,
)
from analytic.pairs.pair_errors import bound_of_kernels
from analytic.pairs.pair_recursion import propagate
from analytic.pairs.rays import Rays
from analytic.pairs.row_blocks import Series
from analytic.recursion import (
    InputTables,
    Problem,
    Program,
    Tile,
    diagonal,
    in_kernels,
    mean_squares,
    new_tile,
)

__all__ = ["NEAR", "behind_first_layer", "left_out_pairs"]

Index = NDArray[np.intp]


def left_out_pairs(
    problem: Problem, close: Close, entry: Entry | None, i: Index, j: Index
) -> NearlyParallel:
    """Sigma and Theta of the pairs of the rows i and the columns j of a problem, sorted by rows.

    Args:
        problem: a network and its inputs.
        close: the same, ready for pairs that are left out.
        entry: a cheap first layer, if there is one.
        i: rows, shape (pairs,).
        j: columns, the same.
    """
    found, method = NearlyParallel(*np.full((3, i.size), np.nan)), problem.method
    bound = method.error if isinstance(method, Series) else 0.0
    if entry is not None:
        for start in range(0, i.size, NEAR):
            part = slice(start, start + NEAR)
            _by_tables(problem, entry, i[part], j[part], NearlyParallel(*(a[part] for a in found)))
    again = np.flatnonzero(~(found.error <= bound))
    step = _close_together(problem.x.shape[1])
    for start in range(0, again.size, step):
        part = again[start : start + step]
        rest = _sharply(problem, close, i[part], j[part])
        for whole, values in zip(found, rest, strict=True):
            whole[part] = values
    return found


NEAR = 8192
"""Close pairs taken at a time, at most: those that share tables are summed in step."""
NUMBERS = 2**23
"""Features of such pairs, at most, unless the pairs are FEW."""
FEW = 2048


def _close_together(features: int) -> int:
    """How many close pairs are taken at a time."""
    return max(FEW, min(NEAR, NUMBERS // max(features, 1)))


def _by_tables(problem: Problem, entry: Entry, i: Index, j: Index, found: NearlyParallel) -> None:
    """Fill in the pairs that have a cheap first layer."""
    method = problem.method
    assert isinstance(method, Series)
    shift = 0 if problem.own else problem.shape[0]
    if isinstance(entry, Rays):
        served, first = np.arange(i.size), entry.first_layer(i, j + shift)
    else:
        served, first = entry.behind(problem.x, problem.y, i, j, shift)
    sigma, theta, *error = first
    if served.size == 0:
        return
    first = NearlyParallel(sigma, theta, np.stack(error))
    if method.behind is not None and entry.depth == 1:
        part = behind_first_layer(method, method.behind, first, i[served], j[served])
    else:  # the error of a sum of kernels is between those of its parts
        whole = first.error.max(axis=0) + 4 * UNIT + in_kernels(entry.close.ends)[-1]
        part = first._replace(error=whole)
    for all_, values in zip(found, part, strict=True):
        all_[served] = values


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
    for part in (again[:TRIED], again[TRIED:]):
        better = _with_gaps(problem, i[part], j[part])
        chosen = ~(found.error[part] <= better.error)
        for whole, values in zip(found, better, strict=True):
            whole[part[chosen]] = values[chosen]
        if not (found.error[part] <= 4 * bound).all():
            break
    return found


def _with_gaps(problem: Problem, i: Index, j: Index) -> NearlyParallel:
    """Pairs that carry the gaps of their norms, with tables of their inputs alone."""
    if i.size == 0:
        return NearlyParallel(*np.empty((3, 0)))
    x, y = problem.x[i], problem.y[j]
    column = j + (0 if problem.own else problem.shape[0])
    used, place = np.unique(np.concatenate([i, column]), return_inverse=True)
    inputs = problem.x if problem.own else np.concatenate([problem.x, problem.y])
    ends = diagonal(problem.network, mean_squares(inputs[used]))
    close = Close.of(problem.network, ends, LONG)
    return nearly_parallel_pairs(close, x, y, *place.reshape(2, -1), sharp=True)


TRIED = 2**8
"""The worst pairs, which are taken first: where they stay far beyond the bound, all is refused."""
LONG = 384
"""Coefficients of pairs that are looked at again: where these suffice, the series errs least."""


def _one_by_one(problem: Problem, close: Close, i: Index, j: Index) -> NearlyParallel:
    """Pairs without tables."""
    x, y = problem.x[i], problem.y[j]
    column = j if problem.own else j + problem.shape[0]
    method = problem.method
    if not isinstance(method, Series) or method.behind is None:
        return nearly_parallel_pairs(close, x, y, i, column)
    found = behind_first_layer(method, method.behind, first_layer(close, x, y, i, column), i, j)
    again = np.flatnonzero(~(found.error <= method.error))
    if again.size:
        rest = nearly_parallel_pairs(close, x[again], y[again], i[again], column[again])
        for whole, part in zip(found, rest, strict=True):
            whole[again] = part
    return found


def behind_first_layer(
    method: Series, plan: Program, first: NearlyParallel, i: Index, j: Index
) -> NearlyParallel:
    """Take pairs through the layers behind the first one; errors are NaN where these leave them."""
    columns = method.columns
    found = NearlyParallel(*np.empty((3, i.size)))
    i, j = np.ascontiguousarray(i), np.ascontiguousarray(j)  # one type: it is compiled once
    depth = int(plan.opens.sum())
    if are_dense(i, j):
        fill_tiles(plan, new_tile(depth), method.rows, columns, i, j, first, found)
        return found
    together = InputTables(*(aligned(*part.shape[:-1], LANES) for part in columns))
    tile = new_tile(depth, rows=1)
    starts = np.append(_groups(i), i.size)
    _pairs_behind(plan, tile, method.rows, columns, together, starts, i, j, first, found)
    return found


def _groups(i: Index) -> Index:
    """Where groups of at most LANES pairs of the same row begin."""
    new = np.flatnonzero(np.append(True, i[1:] != i[:-1]))
    sizes = np.diff(np.append(new, i.size))
    parts = [range(a, a + n, LANES) for a, n in zip(new.tolist(), sizes.tolist(), strict=True)]
    return np.array([*chain.from_iterable(parts)], dtype=np.intp)


@compiled
def _gather(columns: InputTables, j: Any, first: int, together: InputTables) -> None:
    """Copy the tables of some columns side by side, the last of them as often as there is room.

    Of the coefficients those from row ``first`` on.
    """
    last = j.size - 1
    for source, target, begin in (
        (columns.inverse, together.inverse, 1),
        (columns.narrow, together.narrow, 1),
        (columns.mean, together.mean, 1),
        (columns.table, together.table, first),
        (columns.close, together.close, 0),
    ):
        for row in range(begin, source.shape[0]):
            for lane in range(LANES):
                target[row, lane] = source[row, j[min(lane, last)]]
    for number in range(columns.junctions.shape[0]):
        for part in range(2):
            for lane in range(LANES):
                target = together.junctions
                target[number, part, lane] = columns.junctions[number, part, j[min(lane, last)]]


@compiled
def _pairs_behind(
    p: Program, t: Tile, rows: InputTables, columns: InputTables, together: InputTables,
    starts: Any, i: Any, j: Any, first: Any, found: Any,
) -> None:  # fmt: skip
    """The rest of the layers for groups of pairs that share a row."""
    known = -1
    coef = weights = np.empty((0, 0))
    for group in range(starts.size - 1):
        start, stop = starts[group], starts[group + 1]
        row, count, lane = i[start], stop - start, j[start]
        side_by_side = j[stop - 1] - lane == count - 1 and lane + LANES <= columns.table.shape[1]
        if not side_by_side:
            _gather(columns, j[start:stop], p.first[1], together)
            lane = 0
        if row != known:
            coef = rows.table[:, row : row + 1].T.copy()
            weights, known = row_weights(p, rows.close[:, row : row + 1]), row
        for k in range(LANES):
            inside = k < count
            t.sigma[0, k] = first.sigma[start + k] if inside else 0.0
            t.theta[0, k] = first.theta[start + k] if inside else 0.0
            t.left[0, k] = False
        t.departed[0] = False
        for part in range(2):
            t.error[part, 0, 0] = first.error[part, start:stop].max()
        t.error[2, 0, 0] = 1.0
        tables = columns if side_by_side else together
        propagate(p, t, rows, coef, weights, tables, row, row + 1, lane, 1)
        bound = bound_of_kernels(t, 0, 0, p.bounds.in_kernel, True, True) + UNIT
        for k in range(count):
            found.sigma[start + k], found.theta[start + k] = t.sigma[0, k], t.theta[0, k]
            found.error[start + k] = np.nan if t.left[0, k] else bound
