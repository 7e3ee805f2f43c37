"""The recursion for many pairs at once, compiled.

A tile is ROWS x LANES pairs, taken through the whole depth in cache: the tables of its
LANES columns stay there, and only the answer is written to memory.

Legend: as in ``analytic.recursion``; x = rho^2; value0, slope0 the sums P_even(x) and
P_even'(x) of the coefficients of even order, value1, slope1 those of odd order:
P(rho) = P_even(x) + rho P_odd(x).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from analytic.compilation import elementwise, inlined
from analytic.expectations import arcsine
from analytic.late_binding import WHOLE, late
from analytic.machine import LANES
from analytic.pairs.close_lanes import fill_close_lanes, put_close_lanes_aside
from analytic.pairs.pair_errors import (
    begin_errors,
    carry_errors,
    join_errors,
)
from analytic.pairs.power_series import series
from analytic.pairs.term_groups import choose_group, largest_sizes, order_of
from analytic.pairs.tile_states import change_places, end_branch, normalize_tile, put_aside
from analytic.recursion import (
    GROUP,
    Bounds,
    InputTables,
    Program,
    Tile,
    plain,
    preactivation,
)

__all__ = ["begin", "propagate", "weight_layer"]

MOST_AT_HAND = 48
"""Coefficients of LANES columns that stay in cache while row after row goes through a layer; of
more, each eight serve all rows of a tile before the next."""

_preactivation: Any = elementwise(preactivation)
_plain: Any = elementwise(plain)
_fill_close_lanes: Any = late(fill_close_lanes)


@inlined
def _enter(
    sigma: Any, theta: Any, rho: Any, x: Any, layer: Any, scale: float, inverse: Any, signed: bool
) -> int:
    """Lambda, Gamma, rho^2 and (if ``signed``) rho of a row; the ``order_of`` the largest rho^2."""
    weight, bias, rate, bias_rate = layer
    most = 0
    for j in range(LANES):
        cov, _, theta[j] = _preactivation(sigma[j], theta[j], weight, bias, rate, bias_rate)
        sigma[j] = cov
        r = cov * (scale * inverse[j])
        square = r * r
        square = square if square < 1.0 else 1.0
        x[j] = square
        order = order_of(square)
        most = order if order > most else most
    if signed:
        for j in range(LANES):
            r = sigma[j] * (scale * inverse[j])
            r = r if r < 1.0 else 1.0
            rho[j] = r if r > -1.0 else -1.0
    return most


@elementwise
def _arccosine(
    sigma: Any, theta: Any, correlation: Any, scale: float, inverse: Any, line: float, bend: float
) -> None:
    """E and D Gamma of a x + b |x| with line = a^2, bend = b^2: Cho and Saul (2009).

    E |u| |v| and E sign(u) sign(v) are twice the even part of their kernels of order 1 and 0.
    """
    part = bend * (2.0 / np.pi)
    for j in range(LANES):
        rho = correlation[j]
        angle = arcsine(rho)
        positive = scale > 0.0 and inverse[j] > 0.0
        size = 1.0 / (scale * inverse[j]) if positive else 0.0
        root = np.sqrt((1.0 - rho) * (1.0 + rho))  # 1 - rho^2 would lose half of the digits
        e = size * (line * rho + part * (root + rho * angle))
        d = line + part * angle if positive else 0.0
        sigma[j], theta[j] = _plain(e, d, theta[j])


@elementwise
def _arcsine(sigma: Any, theta: Any, narrow: float, narrows: Any) -> None:
    """E and D Gamma of erf: Williams (1997)."""
    for j in range(LANES):
        root = narrow * narrows[j]
        z = 2.0 * (sigma[j] * root)
        z = z if z < 1.0 else 1.0
        z = z if z > -1.0 else -1.0
        left = (1.0 - z) * (1.0 + z)
        left = left if left > 1e-300 else 1e-300
        e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left)
        sigma[j], theta[j] = _plain(e, d, theta[j])


@inlined
def _mehler_even(
    sigma: Any, theta: Any, x: Any, even: Any, slope: Any, mean: float, means: Any
) -> None:
    """E and D Gamma by the series of an odd activation: D = d/d rho (rho P)."""
    for j in range(LANES):
        e = mean * means[j] + sigma[j] * even[j]
        d = even[j] + 2.0 * (x[j] * slope[j])
        sigma[j], theta[j] = _plain(e, d, theta[j])


@inlined
def _mehler(
    sigma: Any, theta: Any, rho: Any, x: Any, value0: Any, slope0: Any, value1: Any, slope1: Any,
    mean: float, means: Any,
) -> None:  # fmt: skip
    """The same of any activation."""
    for j in range(LANES):
        p1 = value1[j] + x[j] * slope1[j]
        e = mean * means[j] + sigma[j] * (value0[j] + rho[j] * value1[j])
        d = value0[j] + 2.0 * (x[j] * slope0[j] + rho[j] * p1)
        sigma[j], theta[j] = _plain(e, d, theta[j])


@inlined
def _leave(t: Tile, p: Program, at: int, m: int, place: int, of_row: Any) -> None:
    """Sigma and Theta of a row behind a layer; sums of series stand in the row ``place``."""
    sigma, theta, rho, x = t.sigma[m], t.theta[m], t.rho[m], t.x[m]
    scale, inverse, narrow, narrows, mean, means = of_row
    value, slope = t.value0[place], t.slope0[place]
    value1, slope1 = t.value1[place], t.slope1[place]
    if p.bent[at]:
        _arccosine(sigma, theta, rho, scale, inverse, p.line[at, 0], p.line[at, 1])
    elif p.arcsine[at]:
        _arcsine(sigma, theta, narrow, narrows)
    elif p.odd[at] == 0:
        _mehler_even(sigma, theta, x, value, slope, mean, means)
    else:
        _mehler(sigma, theta, rho, x, value, slope, value1, slope1, mean, means)


@elementwise
def weight_layer(
    p: Program, t: Tile, at: int, scale: Any, inverse: Any, narrow: Any, narrows: Any, eta: Any,
    etas: Any, coef: Any, table: Any, lane: int, radius: Any, asked: Any, close: Any, band_of: Any,
    band: int,
) -> int:  # fmt: skip
    """Take a tile through a weight layer; sigma and theta hold what it reads.

    Args:
        p: the layers.
        t: the tile.
        at: the number of the layer.
        scale: 1/s of its rows.
        inverse: 1/s of its columns.
        narrow: 1/sqrt(1 + 2 s^2) of its rows, where that is used.
        narrows: the same of its columns.
        eta: E[w] of its rows, or the mean that is taken away.
        etas: the same of its columns.
        coef: the coefficients of its rows, shape (rows, coefficients).
        table: those of the columns, shape (coefficients, columns).
        lane: its first column in the table.
        radius: the largest |rho| that each group of terms serves.
        asked: what forms beyond the series ask of its rows, shape (numbers, rows).
        close: the same of all columns.
        band_of: the bands of its rows in their tables.
        band: that of its columns.

    Returns:
        the largest number of groups of terms that was used.
    """
    size = scale.size
    if p.normalizes[at]:
        normalize_tile(t, scale, inverse, eta, etas)
        carry_errors(t, size, p.bounds, at)
        return 0
    beyond = p.close[at, 0] > 0
    signed = p.bent[at] or p.odd[at] > 0 or beyond
    layer, most = (p.weight[at], p.bias[at], p.rate[at], p.bias_rate[at]), 0
    first, even, odd = p.first[at], p.even[at], p.odd[at]
    closed = p.bent[at] or p.arcsine[at]
    together = size if beyond or even + odd > MOST_AT_HAND else 1
    for row in range(0, size, together):
        end = row + together
        for m in range(row, end):
            sigma, theta, rho, x = t.sigma[m], t.theta[m], t.rho[m], t.x[m]
            largest = _enter(sigma, theta, rho, x, layer, scale[m], inverse, signed)
            t.group[m], t.largest[m], t.departed[m] = choose_group(
                largest, x, rho, t.left[m], t.departed[m], radius
            )
        if beyond:
            put_close_lanes_aside(t, p, at, size, lane, radius, asked, close)
        if not closed:
            own, group, x_ = coef[row:end], t.group[row:end], t.x[row:end]
            series(table, own, first, even, group, lane, x_, t.value0, t.slope0)
            if odd > 0:
                series(table, own, first + even, odd, group, lane, x_, t.value1, t.slope1)
        for m in range(row, end):
            of_row = scale[m], inverse, narrow[m], narrows, eta[m], etas
            _leave(t, p, at, m, m - row, of_row)
            most = most if closed else max(most, t.group[m] + 1)
    if beyond:
        _fill_close_lanes(t, p, at, size, lane, radius, asked, close, band_of, band)
    carry_errors(t, size, p.bounds, at)
    return most


_weight_layer: Any = late(weight_layer, WHOLE)


@elementwise
def begin(t: Tile, b: Bounds, row: int, end: int, lane: int, own: bool) -> None:
    """Make a tile ready whose sigma holds <x, x'>/d.

    Args:
        t: the tile.
        b: the error bounds.
        row: its first row.
        end: one past its last row; at most ROWS after the first.
        lane: its first column.
        own: whether rows and columns are the same inputs; the diagonal is then left out.
    """
    begin_errors(t, b, row, end, lane)
    for m in range(end - row):
        t.departed[m] = False
        for j in range(LANES):
            t.theta[m, j], t.left[m, j] = 0.0, False
        if own and lane <= row + m < lane + LANES:
            t.left[m, row + m - lane] = True
            t.departed[m] = True


@elementwise
def propagate(
    p: Program, t: Tile, rows: InputTables, coef: Any, columns: InputTables, row: int, end: int,
    lane: int, start: int,
) -> int:  # fmt: skip
    """Take a tile through the layers.

    Args:
        p: the layers.
        t: the tile; its sigma, theta, left and error are the result.
        rows: the tables of the rows.
        coef: the coefficients of its rows, shape (end - row, coefficients).
        columns: the tables of the columns.
        row: its first row.
        end: one past its last row.
        lane: its first column.
        start: the first layer, before which no branch is open.

    Returns:
        the largest number of terms that was used.
    """
    stop = lane + LANES
    depth = most = 0
    b = p.bounds
    size, size_ = largest_sizes(b, row, end, lane)
    for at in range(start, p.weight.size):
        if p.switches[at]:
            change_places(t, depth - 1)
        for _ in range(p.opens[at]):
            put_aside(t, depth)
            depth += 1
        scale, inverse = rows.inverse[at, row:end], columns.inverse[at, lane:stop]
        narrow, narrows = rows.narrow[at, row:end], columns.narrow[at, lane:stop]
        eta, etas = rows.mean[at, row:end], columns.mean[at, lane:stop]
        radius = b.radius[at] if size < 0 else b.sizes[size, size_, at]
        used = _weight_layer(
            p, t, at, scale, inverse, narrow, narrows, eta, etas, coef, columns.table, lane,
            radius, rows.close[:, row:end], columns.close, rows.band[row:end],
            columns.band[lane],
        )  # fmt: skip
        most = max(most, used)
        for number in range(p.closes[at]):
            depth -= 1
            junction = p.junction[at] + number
            mu, mus = (
                rows.junctions[junction, 0, row:end],
                columns.junctions[junction, 0, lane:stop],
            )
            eta, etas = (
                rows.junctions[junction, 1, row:end],
                columns.junctions[junction, 1, lane:stop],
            )
            end_branch(t, depth, mu, mus, eta, etas, p.shares[junction])
            join_errors(t, end - row, depth, p.bounds, at, number)
    return GROUP * most
