r"""The recursion for pairs of images, compiled: one layer, all pairs of positions.

Between two layers the pairs of positions of R x C pairs of images wait in memory
(``analytic.images``). A layer sums up what a chunk of them reads into a tile, takes the tile
through the very code of the dense recursion (``analytic.pairs.pair_recursion``), and puts it back.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from analytic.compilation import compiled
from analytic.images.position_order import Chunks, Runs, Walk
from analytic.machine import LANES, Array
from analytic.pairs import end_branch, weight_layer
from analytic.recursion import InputTables, Program, Tile

__all__ = ["CHANNELS", "State", "advance", "average", "products"]


CHANNELS = 32
"""Channels whose products are summed one after the other; then these sums."""


class State(NamedTuple):
    """Sigma and Theta of pairs of images at pairs of positions, and their errors."""

    sigma: Array  # (R, pairs of positions x C)
    theta: Array
    error: Array  # of sigma and theta, the largest over the positions, (2, R)


@compiled
def products(t: Tile, parts: Chunks, x: Any, xt: Any, columns: int, lane: int, out: Any) -> None:
    """out becomes <x_p, x'_q>/channels of all pairs of positions.

    Args:
        t: room.
        parts: the pairs.
        x: images of the rows, (R, positions, channels).
        xt: of the columns, (channels, positions x C and more).
        columns: C.
        lane: where the columns begin.
        out: (R, pairs x C).
    """
    channels = x.shape[2]
    for c in range(parts.pair.size):
        start, first = parts.pair[c] * columns, lane + parts.q[c] * columns
        size = parts.length[c] * columns
        for r in range(x.shape[0]):
            target, part = out[r, start : start + size], t.x[0]
            target[:] = 0.0
            for begin in range(0, channels, CHANNELS):
                part[:] = 0.0
                for k in range(begin, min(begin + CHANNELS, channels)):
                    value, row = x[r, parts.p[c], k], xt[k, first : first + size]
                    for j in range(size):
                        part[j] += value * row[j]
                for j in range(size):
                    target[j] += part[j]
            for j in range(size):
                target[j] /= channels


@compiled
def _gather(runs: Runs, entry: int, columns: int, source: Any, out: Any) -> None:
    """out becomes the sum of what a chunk reads, row by row, in the order of the readings."""
    for r in range(source.shape[0]):
        row = out[r]
        row[:] = 0.0
        for run in range(runs.first[entry], runs.first[entry + 1]):
            size = runs.length[run] * columns
            start, first = runs.target[run] * columns, runs.source[run] * columns
            target, values = row[start : start + size], source[r, first : first + size]
            for j in range(size):
                target[j] += values[j]


@compiled
def advance(
    p: Program,
    at: int,
    t: Tile,
    way: Walk,
    skip: Any,
    before: State,
    skipped: State,
    rows: InputTables,
    coef: Any,
    row: int,
    columns: InputTables,
    lane: int,
    width: int,
    after: State,
) -> int:
    """Take a state through weight layer ``at``.

    Args:
        p: the layers.
        at: the number of the layer.
        t: room for a tile.
        way: the chunks after the layer and what they read.
        skip: places of the pairs where the branch began; empty if none ends here.
        before: the state.
        skipped: the state where the branch began.
        rows: the tables of the rows, position by position.
        coef: the coefficients of the rows, (positions x R, coefficients).
        row: where the rows begin.
        columns: the tables of the columns, position by position.
        lane: where the columns begin.
        width: C.
        after: becomes the state after the layer.

    Returns:
        the largest number of groups of terms that was used.
    """
    size, parts = before.sigma.shape[0], way.chunks
    inverse, most = np.zeros(LANES), 0
    t.departed[:] = False
    after.error[:] = 0.0
    for c in range(parts.pair.size):
        _gather(way.runs, c, width, before.sigma, t.sigma)
        _gather(way.runs, c, width, before.theta, t.theta)
        t.error[:, :size] = before.error
        top, first = row + parts.p[c] * size, lane + parts.q[c] * width
        end, stop, used = top + size, first + LANES, parts.length[c] * width
        inverse[:used] = columns.inverse[at, first : first + used]
        inverse[used:] = 0.0  # these lanes are idle: rho = 0
        scale, eta, etas = rows.inverse[at, top:end], rows.mean[at, top:end], columns.mean[at]
        groups = weight_layer(
            p, t, at, scale, inverse, eta, etas[first:stop], coef[top - row : end - row],
            columns.table, first,
        )  # fmt: skip
        most = max(most, groups)
        if skip.size > 0:
            _recall(t, skip, parts.pair[c], parts.length[c], width, skipped)
            mu, mus = rows.skipped[at, top:end], columns.skipped[at, first:stop]
            b = p.bounds
            end_branch(t, 0, mu, mus, eta, etas[first:stop], b.skip_ratio[at], b.skip_add[at])
        begin = parts.pair[c] * width
        for r in range(size):
            after.sigma[r, begin : begin + used] = t.sigma[r, :used]
            after.theta[r, begin : begin + used] = t.theta[r, :used]
            after.error[0, r] = max(after.error[0, r], t.error[0, r])
            after.error[1, r] = max(after.error[1, r], t.error[1, r])
    return most


@compiled
def _recall(t: Tile, skip: Any, pair: int, count: int, width: int, skipped: State) -> None:
    """The state where a branch began, at the pairs of a chunk."""
    for r in range(skipped.sigma.shape[0]):
        for u in range(count):
            first, target = skip[pair + u] * width, u * width
            t.stack[0, 0, r, target : target + width] = skipped.sigma[r, first : first + width]
            t.stack[0, 1, r, target : target + width] = skipped.theta[r, first : first + width]
        t.errors[0, 0, r] = skipped.error[0, r]
        t.errors[0, 1, r] = skipped.error[1, r]


@compiled
def average(runs: Runs, count: int, width: int, values: Any, out: Any) -> None:
    """out becomes the mean of the ``count`` places that each pair reads.

    Kahan's summation in LANES sums side by side, then these two by two: a few roundings,
    however many places there are.

    Args:
        runs: what each pair reads.
        count: how many places.
        width: C, a divisor of LANES.
        values: (R, pairs before x C).
        out: (R, pairs after x C).
    """
    total, lost = np.empty(LANES), np.empty(LANES)
    for r in range(values.shape[0]):
        for entry in range(runs.first.size - 1):
            total[:] = 0.0
            lost[:] = 0.0
            for run in range(runs.first[entry], runs.first[entry + 1]):
                first, size = runs.source[run] * width, runs.length[run] * width
                for start in range(first, first + size, LANES):
                    part = values[r, start : min(start + LANES, first + size)]
                    for j in range(part.size):
                        term = part[j] - lost[j]
                        new = total[j] + term
                        lost[j] = (new - total[j]) - term
                        total[j] = new
            half = LANES // 2
            while half >= width:
                for j in range(half):
                    total[j] += total[j + half]
                half //= 2
            out[r, entry * width : (entry + 1) * width] = total[:width] / count
