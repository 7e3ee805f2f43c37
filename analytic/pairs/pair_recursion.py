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

from analytic.compilation import compiled
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
from analytic.pairs.term_groups import choose_groups, radii_of_tile
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

_preactivation: Any = compiled(preactivation)
_plain: Any = compiled(plain)
_fill_close_lanes: Any = late(fill_close_lanes)


@compiled
def _enter(t: Tile, p: Program, at: int, scale: Any, inverse: Any, signed: bool) -> None:
    """Lambda, Gamma, rho^2 and (if ``signed``) rho of all pairs."""
    weight, bias, rate, bias_rate = p.weight[at], p.bias[at], p.rate[at], p.bias_rate[at]
    sigma, theta, rho, x = t.sigma, t.theta, t.rho, t.x
    for m in range(scale.size):
        for j in range(LANES):
            cov, _, theta[m, j] = _preactivation(
                sigma[m, j], theta[m, j], weight, bias, rate, bias_rate
            )
            sigma[m, j] = cov
            r = cov * (scale[m] * inverse[j])
            r = r if r < 1.0 else 1.0
            r = r if r > -1.0 else -1.0
            x[m, j] = r * r
        if signed:
            for j in range(LANES):
                r = sigma[m, j] * (scale[m] * inverse[j])
                r = r if r < 1.0 else 1.0
                rho[m, j] = r if r > -1.0 else -1.0


@compiled
def _arccosine(t: Tile, scale: Any, inverse: Any, line: float, bend: float) -> None:
    """E and D Gamma of a x + b |x| with line = a^2, bend = b^2: Cho and Saul (2009).

    E |u| |v| and E sign(u) sign(v) are twice the even part of their kernels of order 1 and 0.
    """
    part = bend * (2.0 / np.pi)
    for m in range(scale.size):
        for j in range(LANES):
            rho = t.rho[m, j]
            angle = arcsine(rho)
            positive = scale[m] > 0.0 and inverse[j] > 0.0
            size = 1.0 / (scale[m] * inverse[j]) if positive else 0.0
            root = np.sqrt((1.0 - rho) * (1.0 + rho))  # 1 - rho^2 would lose half of the digits
            e = size * (line * rho + part * (root + rho * angle))
            d = line + part * angle if positive else 0.0
            t.sigma[m, j], t.theta[m, j] = _plain(e, d, t.theta[m, j])


@compiled
def _arcsine(t: Tile, narrow: Any, narrows: Any) -> None:
    """E and D Gamma of erf: Williams (1997)."""
    for m in range(narrow.size):
        for j in range(LANES):
            root = narrow[m] * narrows[j]
            z = 2.0 * (t.sigma[m, j] * root)
            z = z if z < 1.0 else 1.0
            z = z if z > -1.0 else -1.0
            left = (1.0 - z) * (1.0 + z)
            left = left if left > 1e-300 else 1e-300
            e, d = arcsine(z) * (2.0 / np.pi), (4.0 / np.pi) * root / np.sqrt(left)
            t.sigma[m, j], t.theta[m, j] = _plain(e, d, t.theta[m, j])


@compiled
def _mehler(
    t: Tile,
    even: int,
    odd: int,
    first: int,
    table: Any,
    coef: Any,
    lane: int,
    mean: Any,
    means: Any,
) -> None:
    """E and D Gamma by the series: D = d/d rho (rho P)."""
    sigma, theta, rho, x = t.sigma, t.theta, t.rho, t.x
    value0, slope0, value1, slope1 = t.value0, t.slope0, t.value1, t.slope1
    series(t, table, coef, first, even, lane, value0, slope0)
    if odd > 0:
        series(t, table, coef, first + even, odd, lane, value1, slope1)
    for m in range(mean.size):
        if odd == 0:
            for j in range(LANES):
                e = mean[m] * means[j] + sigma[m, j] * value0[m, j]
                d = value0[m, j] + 2.0 * (x[m, j] * slope0[m, j])
                sigma[m, j], theta[m, j] = _plain(e, d, theta[m, j])
        else:
            for j in range(LANES):
                p1 = value1[m, j] + x[m, j] * slope1[m, j]
                e = mean[m] * means[j] + sigma[m, j] * (value0[m, j] + rho[m, j] * value1[m, j])
                d = value0[m, j] + 2.0 * (x[m, j] * slope0[m, j] + rho[m, j] * p1)
                sigma[m, j], theta[m, j] = _plain(e, d, theta[m, j])


@compiled
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
    _enter(t, p, at, scale, inverse, signed)
    choose_groups(t, size, radius)
    most = 0
    if p.bent[at]:
        _arccosine(t, scale, inverse, p.line[at, 0], p.line[at, 1])
    elif p.arcsine[at]:
        _arcsine(t, narrow, narrows)
    else:
        if beyond:
            put_close_lanes_aside(t, p, at, size, lane, radius, asked, close)
        _mehler(t, p.even[at], p.odd[at], p.first[at], table, coef, lane, eta, etas)
        most = t.group[:size].max() + 1
        if beyond:
            _fill_close_lanes(t, p, at, size, lane, radius, asked, close, band_of, band)
    carry_errors(t, size, p.bounds, at)
    return most


_weight_layer: Any = late(weight_layer, WHOLE)


@compiled
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
    t.theta[:, :] = 0.0
    t.left[:, :] = False
    t.departed[:] = False
    begin_errors(t, b, row, end, lane)
    for m in range(end - row):
        if own and lane <= row + m < lane + LANES:
            t.left[m, row + m - lane] = True
            t.departed[m] = True


@compiled
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
    radius = radii_of_tile(p.bounds, row, end, lane)
    for at in range(start, p.weight.size):
        if p.switches[at]:
            change_places(t, depth - 1)
        for _ in range(p.opens[at]):
            put_aside(t, depth)
            depth += 1
        scale, inverse = rows.inverse[at, row:end], columns.inverse[at, lane:stop]
        narrow, narrows = rows.narrow[at, row:end], columns.narrow[at, lane:stop]
        eta, etas = rows.mean[at, row:end], columns.mean[at, lane:stop]
        used = _weight_layer(
            p, t, at, scale, inverse, narrow, narrows, eta, etas, coef, columns.table, lane,
            radius[at], rows.close[:, row:end], columns.close, rows.band[row:end],
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
