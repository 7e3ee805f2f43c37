"""The error bounds of a tile, carried through the layers with its pairs, compiled.

A tile carries one bound for each row, that of its largest |rho|, or, where the certificate itself
is wanted, one for each pair.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise
from analytic.recursion import (
    Bounds,
    Tile,
    factors_of,
    first_beyond,
    junction_of,
    layer_error,
    of_sum,
    skip_error,
)

__all__ = [
    "begin_errors",
    "bound_of_kernels",
    "carry_errors",
    "join_errors",
    "keep_errors",
    "switch_errors",
]

_layer_error: Any = elementwise(layer_error)
_skip_error: Any = elementwise(skip_error)


@elementwise
def begin_errors(t: Tile, b: Bounds, row: int, end: int, lane: int) -> None:
    """Of the scalar products of some rows and of the columns from ``lane`` on, and no Theta."""
    t.error[:, :, :] = 0.0
    t.error[0] = b.start
    if t.kind.shape[1] > 1 and b.rows.size > 0:
        for m in range(end - row):
            for j in range(t.kind.shape[1]):
                t.kind[m, j] = b.kinds[b.rows[row + m], b.columns[lane + j]]


@elementwise
def carry_errors(t: Tile, rows: int, b: Bounds, at: int) -> None:
    """Through a weight layer."""
    e, by_pair = t.error, t.error.shape[2] > 1
    for m in range(rows):
        for j in range(e.shape[2]):
            radius, group = t.largest[m], t.group[m]
            if by_pair:  # with more terms than a pair needs no more is left out
                radius = np.sqrt(t.x[m, j])
                group = min(first_beyond(b.radius[at], radius), group)
            factors = factors_of(b, t.kind[m, j], at, radius, group)
            state = e[0, m, j], e[1, m, j], e[2, m, j]
            e[0, m, j], e[1, m, j], e[2, m, j] = _layer_error(state, factors)


@elementwise
def keep_errors(t: Tile, depth: int) -> None:
    """A branch begins."""
    here, kept = t.error, t.errors[depth]
    for part in range(here.shape[0]):
        for m in range(here.shape[1]):
            for j in range(here.shape[2]):
                kept[part, m, j] = here[part, m, j]


@elementwise
def switch_errors(t: Tile, depth: int) -> None:
    """The next branch begins."""
    here, kept = t.error, t.errors[depth]
    for part in range(here.shape[0]):
        for m in range(here.shape[1]):
            for j in range(here.shape[2]):
                here[part, m, j], kept[part, m, j] = kept[part, m, j], here[part, m, j]


@elementwise
def join_errors(t: Tile, rows: int, depth: int, b: Bounds, at: int, number: int) -> None:
    """A branch ends."""
    before, e = t.errors[depth], t.error
    for m in range(rows):
        for j in range(e.shape[2]):
            factors = junction_of(b, t.kind[m, j], at, number)
            begun = before[0, m, j], before[1, m, j], before[2, m, j]
            ended = e[0, m, j], e[1, m, j], e[2, m, j]
            e[0, m, j], e[1, m, j], e[2, m, j] = _skip_error(begun, ended, factors)


@elementwise
def bound_of_kernels(t: Tile, m: int, j: int, in_kernels: Any, nngp: bool, ntk: bool) -> float:
    """The larger error of the kernels that are wanted, but for their own rounding."""
    sigma, theta, in_kernel = t.error[0, m, j], t.error[1, m, j], in_kernels[t.kind[m, j]]
    both = of_sum(sigma, theta, in_kernel[0], in_kernel[1])
    found = sigma if nngp else both
    if ntk and not both <= found:  # NaN is the largest
        found = both
    return found + in_kernel[2]
