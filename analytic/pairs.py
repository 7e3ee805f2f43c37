"""The recursion for many pairs at once: compiled, in tiles.

A tile is ROWS x LANES pairs, taken through the whole depth in cache: the tables of its
LANES columns stay there, and only the answer is written to memory. Nothing depends on the
number of threads or on how the tiles are shared out, so neither do the bits.

Legend: as in ``analytic.recursion``; x = rho^2; value0, slope0 the sums P_even(x) and
P_even'(x) of the coefficients of even order, value1, slope1 those of odd order:
P(rho) = P_even(x) + rho P_odd(x).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from analytic import certificate, recursion
from analytic.certificate import GROUP, Bounds
from analytic.duals import UNIT
from analytic.recursion import Diagonal

__all__ = ["LANES", "Program", "Side", "chunk", "program", "side", "strip"]

Array = NDArray[np.float64]

LANES = 128
"""Columns of a tile, the length of every vectorised loop."""
ROWS = 32
"""Most rows of a tile."""

_compile: Any = njit(nogil=True, cache=True, fastmath={"contract", "nsz"})
_preactivation: Any = _compile(recursion.preactivation)
_plain: Any = _compile(recursion.plain)
_residual: Any = _compile(recursion.residual)
_layer_error: Any = _compile(certificate.layer_error)
_skip_error: Any = _compile(certificate.skip_error)


class Program(NamedTuple):
    """The layers as arrays, shape (layers,) each, and their error bounds.

    ``even`` and ``odd`` count the coefficients of even and odd order that matter; those of
    a layer stand in the rows of a table from ``first`` on, the even ones first.
    """

    weight: Array
    bias: Array
    opens: NDArray[np.int64]
    closes: NDArray[np.bool_]
    relu: NDArray[np.bool_]
    first: NDArray[np.int64]
    even: NDArray[np.int64]
    odd: NDArray[np.int64]
    bounds: Bounds


class Side(NamedTuple):
    """The tables of the rows or of the columns, n inputs padded to a multiple of LANES."""

    inverse: Array  # 1/s, 0 where s = 0, (layers, n)
    mean: Array  # E[w], (layers, n)
    skipped: Array  # mu at the start of the branch that ends at this layer, (layers, n)
    table: Array  # coefficients b_k, (rows, n)


def program(diagonal: Diagonal, bounds: Bounds) -> Program:
    """Lay out the network for the compiled recursion."""
    steps = [stage.step for stage in diagonal.stages]
    counts = np.array([_lengths(stage.duals.coefficients, stage.duals.slope) for stage in diagonal.stages])
    even, odd = counts[:, 0], counts[:, 1]
    first = np.concatenate([[0], np.cumsum(even + odd)[:-1]])
    return Program(
        weight=np.array([step.layer.weight_std**2 for step in steps]),
        bias=np.array([step.layer.bias_std**2 for step in steps]),
        opens=np.array([step.opens for step in steps]),
        closes=np.array([step.closes for step in steps]),
        relu=np.array([step.layer.activation.is_relu for step in steps]),
        first=first,
        even=even,
        odd=odd,
        bounds=bounds,
    )


def _lengths(coefficients: Array, slope: Array) -> tuple[int, int]:
    """How many coefficients of even and of odd order exceed rounding, over all inputs."""
    order = np.arange(1.0, coefficients.shape[0] + 1)
    largest = order * (coefficients**2 / np.where(slope > 0, slope, np.inf)).max(axis=1)
    tails = [np.cumsum(largest[start::2][::-1])[::-1] for start in (0, 1)]
    even, odd = (-4 * (-int(np.count_nonzero(tail > UNIT / 16)) // 4) for tail in tails)
    return even, odd


def side(diagonal: Diagonal, plan: Program, inputs: slice) -> Side:
    """The tables of some inputs of a diagonal, as the compiled recursion reads them."""
    stages = diagonal.stages
    n = stages[0].variance[inputs].size
    padded = -(-n // LANES) * LANES
    layers = len(stages)
    result = Side(
        inverse=np.zeros((layers, padded)),
        mean=np.zeros((layers, padded)),
        skipped=np.zeros((layers, padded)),
        table=np.zeros((int((plan.even + plan.odd).sum()), padded)),
    )
    for row, stage in enumerate(stages):
        s = np.sqrt(stage.variance[inputs])
        result.inverse[row, :n] = 1 / np.where(s > 0, s, np.inf)
        result.mean[row, :n] = stage.duals.mean[inputs]
        if stage.skipped is not None:
            result.skipped[row, :n] = stage.skipped[2][inputs]
        b = stage.duals.coefficients[:, inputs]
        start = plan.first[row]
        for parity, count in enumerate((plan.even[row], plan.odd[row])):
            part = b[parity::2][:count]
            result.table[start : start + len(part), :n] = part
            start += count
    return result


class Tile(NamedTuple):
    """The state of ROWS x LANES pairs, and room for the series."""

    sigma: Array  # (rows, lanes), the same for the next eight
    theta: Array
    cov: Array
    gam: Array
    rho: Array
    x: Array
    value0: Array
    slope0: Array
    value1: Array
    slope1: Array
    left: NDArray[np.bool_]  # pairs that are left out, (rows, lanes)
    group: NDArray[np.int64]  # group of terms of each row, (rows,)
    error: Array  # relative errors of sigma and theta, (2, rows)
    stack: Array  # sigma and theta at the open branches, (depth, 2, rows, lanes)
    errors: Array  # their errors, (depth, 2, rows)


@_compile
def new_tile(depth: int) -> Any:
    """Room for a tile of a network with at most ``depth`` nested branches."""
    shape = (ROWS, LANES)
    return Tile(
        np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape),
        np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape),
        np.zeros(shape, dtype=np.bool_), np.zeros(ROWS, dtype=np.int64), np.zeros((2, ROWS)),
        np.zeros((depth, 2, ROWS, LANES)), np.zeros((depth, 2, ROWS)),
    )  # fmt: skip


@_compile
def _four(
    table: Any, coef: Any, k: int, lane: int, block: int, last: Any, x: Any, value: Any, slope: Any
) -> None:
    """Four steps of Horner's scheme and of its derivative, p_k = coef[m, k] table[k, lane].

    A row m takes part if ``block`` <= ``last[m]``, and starts from 0 where they are equal.
    """
    end = lane + LANES
    t = (table[k, lane:end], table[k + 1, lane:end], table[k + 2, lane:end], table[k + 3, lane:end])
    for m in range(x.shape[0]):
        if last[m] < block:
            continue
        fresh = last[m] == block
        r = (coef[m, k], coef[m, k + 1], coef[m, k + 2], coef[m, k + 3])
        for j in range(LANES):
            y = x[m, j]
            v = 0.0 if fresh else value[m, j]
            d = 0.0 if fresh else slope[m, j]
            for i in range(4):
                d = d * y + v
                v = v * y + r[3 - i] * t[3 - i][j]
            value[m, j] = v
            slope[m, j] = d


@_compile
def _series(
    table: Any, coef: Any, first: int, terms: int, lane: int, group: Any, x: Any, value: Any, slope: Any
) -> None:
    """value <- sum_k p_k x^k and slope <- its derivative, with 4 (group + 1) terms a row."""
    if terms == 0:
        value[:, :] = 0.0
        slope[:, :] = 0.0
        return
    last = np.minimum(group, terms // 4 - 1)
    for block in range(last.max(), -1, -1):
        _four(table, coef, first + 4 * block, lane, block, last, x, value, slope)


@_compile
def _enter(t: Tile, weight: float, bias: float, scale: Any, inverse: Any) -> None:
    """Lambda, Gamma, rho and rho^2 of all pairs."""
    sigma, theta, cov, gam, rho, x = t.sigma, t.theta, t.cov, t.gam, t.rho, t.x
    for m in range(scale.size):
        for j in range(LANES):
            cov[m, j], gam[m, j] = _preactivation(sigma[m, j], theta[m, j], weight, bias)
            r = cov[m, j] * (scale[m] * inverse[j])
            r = r if r < 1.0 else 1.0
            r = r if r > -1.0 else -1.0
            rho[m, j] = r
            x[m, j] = r * r


@_compile
def _leave_out(t: Tile, m: int, ceiling: float) -> None:
    """Give up the pairs of a row above the ceiling, for all layers to come."""
    for j in range(LANES):
        if t.left[m, j] or abs(t.rho[m, j]) > ceiling:
            t.left[m, j] = True
            t.rho[m, j] = 0.0
            t.x[m, j] = 0.0


@njit(nogil=True, cache=True, fastmath=True)
def _largest(x: Any) -> float:
    largest = 0.0
    for j in range(LANES):
        largest = x[j] if x[j] > largest else largest
    return np.sqrt(largest)


@_compile
def _choose_groups(t: Tile, rows: int, radius: Any, depart: Any) -> None:
    """The number of terms of each row, from its largest |rho|."""
    ceiling = radius[-1]
    for m in range(rows):
        largest = _largest(t.x[m])
        if depart[m] or largest > ceiling:
            depart[m] = True
            _leave_out(t, m, ceiling)
            largest = _largest(t.x[m])
        group = 0
        while radius[group] < largest:
            group += 1
        t.group[m] = group


@_compile
def _arccosine(t: Tile, scale: Any, inverse: Any) -> None:
    """E and D Gamma of max(x, 0): Cho and Saul (2009), the kernels of order 1 and 0."""
    for m in range(scale.size):
        for j in range(LANES):
            rho = t.rho[m, j]
            angle = np.pi - np.arccos(rho)
            positive = scale[m] > 0.0 and inverse[j] > 0.0
            size = 1.0 / (scale[m] * inverse[j]) if positive else 0.0
            e = size * (np.sqrt(1.0 - rho * rho) + rho * angle) / (2.0 * np.pi)
            d = angle / (2.0 * np.pi) if positive else 0.0
            t.sigma[m, j], t.theta[m, j] = _plain(e, d, t.gam[m, j])


@_compile
def _mehler(t: Tile, even: int, odd: int, first: int, table: Any, coef: Any, lane: int, mean: Any, means: Any) -> None:
    """E and D Gamma by the series: D = d/d rho (rho P)."""
    sigma, theta, cov, gam, rho, x = t.sigma, t.theta, t.cov, t.gam, t.rho, t.x
    value0, slope0, value1, slope1 = t.value0, t.slope0, t.value1, t.slope1
    _series(table, coef, first, even, lane, t.group, x, value0, slope0)
    _series(table, coef, first + even, odd, lane, t.group, x, value1, slope1)
    for m in range(mean.size):
        if odd == 0:
            for j in range(LANES):
                e = mean[m] * means[j] + cov[m, j] * value0[m, j]
                d = value0[m, j] + 2.0 * (x[m, j] * slope0[m, j])
                sigma[m, j], theta[m, j] = _plain(e, d, gam[m, j])
        else:
            for j in range(LANES):
                p1 = value1[m, j] + x[m, j] * slope1[m, j]
                e = mean[m] * means[j] + cov[m, j] * (value0[m, j] + rho[m, j] * value1[m, j])
                d = value0[m, j] + 2.0 * (x[m, j] * slope0[m, j] + rho[m, j] * p1)
                sigma[m, j], theta[m, j] = _plain(e, d, gam[m, j])


@_compile
def _push(t: Tile, depth: int) -> None:
    """A branch begins: remember alpha."""
    t.stack[depth, 0, :, :] = t.sigma
    t.stack[depth, 1, :, :] = t.theta
    t.errors[depth, :, :] = t.error


@_compile
def _pop(t: Tile, depth: int, mu: Any, mus: Any, eta: Any, etas: Any, ratio: float, add: float) -> None:
    """A branch ends: add it to what was remembered."""
    sigma, theta, sigma0, theta0 = t.sigma, t.theta, t.stack[depth, 0], t.stack[depth, 1]
    for m in range(mu.size):
        for j in range(LANES):
            sigma[m, j], theta[m, j] = _residual(
                sigma0[m, j], theta0[m, j], mu[m], mus[j], sigma[m, j], theta[m, j], eta[m], etas[j]
            )
        t.error[0, m], t.error[1, m] = _skip_error(
            t.errors[depth, 0, m], t.errors[depth, 1, m], t.error[0, m], t.error[1, m], ratio, add
        )


@_compile
def _bound(t: Tile, rows: int, b: Bounds, at: int) -> None:
    """Carry the error bounds of the rows through a layer."""
    for m in range(rows):
        g = t.group[m]
        t.error[0, m], t.error[1, m] = _layer_error(
            t.error[0, m], t.error[1, m],
            b.k_e[at, g], b.k_d[at, g], b.r_d[at, g], b.add_e[at, g], b.add_d[at, g],
        )  # fmt: skip


@_compile
def _propagate(
    p: Program, t: Tile, rows: Side, coef: Any, columns: Side, row: int, end: int, lane: int, own: bool
) -> int:
    """Take a tile, whose sigma holds <x, x'>/d, through all layers.

    Args:
        p, rows, columns: layers and tables.
        t: the tile; its sigma, theta, left and error[:, m] are the result.
        coef: the coefficients of its rows, shape (end - row, coefficients).
        row, end: its rows; at most ROWS of them.
        lane: its first column.
        own: whether rows and columns are the same inputs; the diagonal is then left out.

    Returns:
        the largest number of terms that was used.
    """
    b, size, stop = p.bounds, end - row, lane + LANES
    depart = np.zeros(size, dtype=np.bool_)
    t.theta[:, :] = 0.0
    t.left[:, :] = False
    t.error[0, :] = b.start
    t.error[1, :] = 0.0
    depth = most = 0
    for m in range(size):
        if own and lane <= row + m < stop:
            t.left[m, row + m - lane] = True
            depart[m] = True
    for at in range(p.weight.size):
        for _ in range(p.opens[at]):
            _push(t, depth)
            depth += 1
        scale, inverse = rows.inverse[at, row:end], columns.inverse[at, lane:stop]
        eta, etas = rows.mean[at, row:end], columns.mean[at, lane:stop]
        _enter(t, p.weight[at], p.bias[at], scale, inverse)
        _choose_groups(t, size, b.radius[at], depart)
        if p.relu[at]:
            _arccosine(t, scale, inverse)
        else:
            _mehler(t, p.even[at], p.odd[at], p.first[at], columns.table, coef, lane, eta, etas)
            most = max(most, t.group[:size].max() + 1)
        _bound(t, size, b, at)
        if p.closes[at]:
            depth -= 1
            mu, mus = rows.skipped[at, row:end], columns.skipped[at, lane:stop]
            _pop(t, depth, mu, mus, eta, etas, b.skip_ratio[at], b.skip_add[at])
    return GROUP * most


def chunk(features: int) -> int:
    """Features that are summed before they are added to the total, a multiple of 4."""
    return 4 * int(np.ceil(np.sqrt(features) / 4))


_chunk: Any = _compile(chunk)


@_compile
def _scalar_products(t: Tile, x: Any, xt: Any, features: int, row: int, end: int, lane: int) -> None:
    """sigma <- <x, x'>/d, summed in blocks of about sqrt(d) features in one fixed order."""
    padded = xt.shape[0]
    block = _chunk(features)
    total, part = t.sigma, t.x
    for m in range(end - row):
        total[m, :] = 0.0
    for start in range(0, padded, block):
        for m in range(end - row):
            part[m, :] = 0.0
        for k in range(start, min(start + block, padded), 4):
            _dot_four(x, xt, row, end, k, lane, part)
        for m in range(end - row):
            for j in range(LANES):
                total[m, j] += part[m, j]
    for m in range(end - row):
        for j in range(LANES):
            total[m, j] /= features


@_compile
def _dot_four(x: Any, xt: Any, row: int, end: int, k: int, lane: int, part: Any) -> None:
    stop = lane + LANES
    t = (xt[k, lane:stop], xt[k + 1, lane:stop], xt[k + 2, lane:stop], xt[k + 3, lane:stop])
    for m in range(end - row):
        i = row + m
        r = (x[i, k], x[i, k + 1], x[i, k + 2], x[i, k + 3])
        for j in range(LANES):
            value = part[m, j]
            for c in range(4):
                value += r[c] * t[c][j]
            part[m, j] = value


@_compile
def _store(t: Tile, row: int, end: int, lane: int, stop: int, theta: float, own: bool, mirror: bool, shift: int, out: Any) -> int:
    """Write sigma + theta * Theta to out[i - shift, j], and to out[j, i] if ``mirror``.

    Returns the number of pairs that were left out; they are NaN.
    """
    left = 0
    for m in range(end - row):
        i = row + m
        for j in range(max(lane, i + 1) if own else lane, stop):
            value = t.sigma[m, j - lane] + theta * t.theta[m, j - lane]
            if t.left[m, j - lane]:
                value = np.nan
                left += 1
            out[i - shift, j] = value
    if mirror:
        for j in range(max(lane, row + 1), stop):
            for m in range(min(end, j) - row):
                out[j, row + m] = out[row + m, j]
    return left


@_compile
def strip(
    p: Program, rows: Side, columns: Side, x: Any, xt: Any, features: int, row: int, end: int,
    own: bool, mirror: bool, shift: int, nngp: Any, ntk: Any, bound: Any
) -> Any:  # fmt: skip
    """Fill the rows from ``row`` to ``end`` of the answer.

    Args:
        p, rows, columns: layers and tables.
        x: the inputs of the rows, (n, features padded to a multiple of 4).
        xt: the inputs of the columns, transposed, (features padded, k padded).
        features: their number.
        own: whether rows and columns are the same inputs: only pairs i < j are computed.
        mirror: whether to write the entries (j, i) too; the arrays must hold all rows then.
        shift: the row of the answer that the first row of the arrays stands for.
        nngp, ntk: the answer, shape (rows, k) each, or without rows where not wanted; NaN
            for pairs whose |rho| exceeds the ceiling.
        bound: relative error bound of each row and tile, shape (n, tiles), written.

    Returns:
        (largest number of terms that was used, number of pairs left out).
    """
    tile = new_tile(max(1, int(p.opens.sum())))
    k = max(nngp.shape[1], ntk.shape[1])
    terms = left = 0
    for first in range(row, end, ROWS):
        last = min(first + ROWS, end)
        coef = rows.table[:, first:last].T.copy()
        for lane in range((first // LANES) * LANES if own else 0, xt.shape[1], LANES):
            _scalar_products(tile, x, xt, features, first, last, lane)
            used = _propagate(p, tile, rows, coef, columns, first, last, lane, own)
            terms = max(terms, used)
            for m in range(last - first):
                bound[first + m, lane // LANES] = max(tile.error[0, m], tile.error[1, m]) + UNIT
            stop = min(lane + LANES, k)
            gone = 0
            if nngp.size > 0:
                gone = _store(tile, first, last, lane, stop, 0.0, own, mirror, shift, nngp)
            if ntk.size > 0:
                gone = _store(tile, first, last, lane, stop, 1.0, own, mirror, shift, ntk)
            left += gone
    return terms, left
