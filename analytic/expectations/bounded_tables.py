r"""The table of an octave with a bound of its errors.

Four errors are bounded, each in the norm over the coefficients: that of the rule and of its
evaluation at the nodes in s (``quadrature_error``, ``node_tables``), that of interpolation in s
(``interpolation_error``), and what the series leaves out and rounds.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from analytic.activation import Activation
from analytic.expectations.between_nodes import norms_between, responses_between
from analytic.expectations.estimated_tables import LARGEST_BASIS, more_terms
from analytic.expectations.interpolation_error import Ellipses, ellipses
from analytic.expectations.interpolation_error import error as interpolation_error
from analytic.expectations.interpolation_error import points as enough_points
from analytic.expectations.node_tables import (
    FIRST,
    INCOMPLETE,
    MEAN,
    REST,
    SLOPE,
    SPREAD,
    NodeTable,
    tabulated,
)
from analytic.expectations.quadrature import Extended, graded_rule
from analytic.expectations.quadrature_error import PARTS, Choice, Contours, contours
from analytic.expectations.segments import (
    BLOCK,
    IntArray,
    Noise,
    Segment,
    assembled,
    chebyshev_nodes,
    chebyshev_series,
    leading_terms,
)
from analytic.machine import EXTENDED, UNIT, Array

__all__ = ["bounded_segment"]

WORTHLESS = 0.01
"""A bound of the relative error that says nothing."""
MOST_POINTS = 320
"""Most points of an interpolation in s."""
STEEPNESS = (1.0, 8.0, 64.0, 512.0, 4096.0)
"""How much closer to the real line contours are tried where the strip of analyticity is not known,
or infinite."""


class _Proved(NamedTuple):
    """What bounds the errors of quadrature and interpolation on one octave."""

    contours: Contours
    ellipses: Ellipses


def _bounds(activation: Activation, low: float, steepness: float) -> _Proved | None:
    """None where no bounds are known."""
    high = 2 * low
    edges = low * (high / low) ** (np.arange(PARTS + 1) / PARTS)
    witness = graded_rule(256, max(high * steepness, 1.0))
    w, w1 = activation.derivatives(edges[:, None] * witness.nodes, 1)
    with np.errstate(divide="ignore", over="ignore"):
        norms = np.log(np.stack([w1**2, w**2]) @ witness.weights) / 2
    norms = np.minimum(norms[:, 1:], norms[:, :-1])
    if activation.stable(1) == 0:
        norms[0] = 0.0
    if not np.isfinite(norms).all():
        return None
    on = contours(activation, low, high, norms, steepness)
    around = None if on is None else ellipses(activation, low, on.reach, steepness)
    return None if on is None or around is None else _Proved(on, around)


def _first_that_serves(activation: Activation, low: float, terms: int) -> _Proved | None:
    """The bounds by the first contours that a rule serves."""
    strip = activation.strip
    unknown = strip is None or strip.is_infinite
    for steepness in STEEPNESS if unknown else STEEPNESS[:1]:
        bounds = _bounds(activation, low, steepness)
        if bounds is not None and bounds.contours.choose(terms) is not None:
            return bounds
    return None


def bounded_segment(activation: Activation, low: float, terms: int, most: int) -> Segment | None:
    """The segment with a bound of its errors, or None if it would be larger than allowed."""
    high = 2 * low
    bounds = _first_that_serves(activation, low, terms)
    if bounds is None:
        return None
    power = _powers(bounds.contours.norms)
    while True:
        choice = bounds.contours.choose(terms)
        if choice is None or choice.rule.nodes.size * terms > 4 * LARGEST_BASIS:
            return None
        last = tabulated(activation, np.array([high]), choice.rule, terms)
        row = last.columns[0]
        logs = bounds.ellipses.logs(terms, (power[0], 2 * power[0], 2 * power[0], power[1]))
        points = enough_points(logs, _wanted(bounds.contours.norms, row, low, power))
        if points > MOST_POINTS:  # more terms ask for more of them
            return None
        if row[REST] <= 16 * UNIT * row[SLOPE] or terms >= most:
            break
        terms = more_terms(row, high, terms, most)
    nodes = chebyshev_nodes(low, high, points)
    table = tabulated(activation, nodes, choice.rule, terms)
    series, powers = chebyshev_series(table.extended, nodes, power)
    errors = _errors(nodes, table, choice, low)
    series, noise = _noise(
        series, nodes, table.columns, powers, errors, interpolation_error(logs, points), low
    )
    if not max(noise.value, noise.slope) < WORTHLESS:
        return None
    lost = _lost(_of_rule(nodes, choice, low), table.columns[:, SLOPE])
    found = assembled(low, high, series, powers, nodes, table.columns, last.columns, noise, lost)
    return replace(found, responses=responses_between(series, powers, low, points, noise.largest))


def _lost(of_rule: Array, square: Array) -> float:
    """What the errors of E w'^2 and of the c_k may be of Parseval's rest, relative to E w'^2."""
    norm = np.sqrt(square)
    return _ratio(of_rule[1] + 2 * norm * of_rule[0], square)


def _powers(norms: Array) -> tuple[int, int]:
    """Powers of s like which w' and w grow over the octave, if they grow or fall fast."""
    slopes = (norms[:, -1] - norms[:, 0]) * PARTS / (PARTS - 1) / math.log(2)
    first, second = (round(p) if abs(p) >= 3 else 0 for p in slopes)
    return first, second


def _wanted(norms: Array, last: Array, low: float, power: tuple[int, int]) -> Array:
    """log of the errors of interpolation that are below rounding: of the columns over powers."""
    s = math.log(low) + math.log(2) * np.arange(1, PARTS + 1) / PARTS
    slope, value = (norms[0] - power[0] * s).min(), (norms[1] - power[1] * s).min()
    spread = math.log(last[SPREAD] / last[SLOPE]) if last[SPREAD] > 0 else 0.0
    return np.array([slope, 2 * slope, 2 * slope + spread, value]) + math.log(UNIT / 4)


def _of_rule(nodes: Array, choice: Choice, low: float) -> Array:
    """The errors of a rule at the nodes: ``slope`` to ``power`` of a ``Choice``, (4, points)."""
    part = np.clip((np.log2(nodes / low) * PARTS).astype(int), 0, PARTS - 1)
    before, after = np.maximum(part - 1, 0), np.minimum(part + 1, PARTS - 1)
    return np.stack([np.maximum(e[part], np.maximum(e[before], e[after])) for e in choice[1:]])


def _errors(nodes: Array, values: NodeTable, choice: Choice, low: float) -> Array:
    """Absolute errors of ``_sizes`` at the nodes, (5, points)."""
    found, table = values.errors, values.columns
    slope, square, mean, power = _of_rule(nodes, choice, low)
    root: Array = np.sqrt(np.maximum(table[:, SPREAD], 0))
    by_series = table[:, REST] <= INCOMPLETE / 2 * table[:, SPREAD]
    directly = (power + 2 * np.abs(table[:, MEAN]) * mean) / nodes**2
    spread: Array = np.asarray(np.where(by_series, 2 * root * slope, directly), np.float64)
    ruled = np.stack([slope, square, spread, mean, slope])
    return ruled + np.stack([found.slope, found.square, found.spread, found.mean, found.value])


def _noise(
    series: Extended, nodes: Array, table: Array, powers: IntArray, errors: Array,
    interpolated: Array, low: float,
) -> tuple[Extended, Noise]:  # fmt: skip
    """The series without what is below rounding, and the errors of what it gives.

    b_k = c_k/sqrt(k + 1), which E w w' needs, is known better than c_k: it has a size of its own.
    """
    own = [powers[FIRST], powers[SLOPE], powers[SPREAD], powers[MEAN], powers[FIRST]]
    scale = np.stack([nodes**-p for p in own])
    lebesgue = 2 / math.pi * math.log(nodes.size) + 1
    at_nodes = lebesgue * (errors * scale).max(axis=1)
    carried = at_nodes + np.exp(interpolated[[0, 1, 2, 3, 0]]) + _of_transform(table, powers, nodes)
    least = norms_between(series, powers, low)
    series, total = _shortened(series, carried)
    slope, square, coefficient = (
        _ratio(total[k], part) for k, part in ((0, least.norm), (1, least.norm**2), (4, least.norm))
    )
    s = least.s
    mean, variance = total[3] * s ** own[3], total[2] * s ** (2.0 + own[2])
    by_powers = 8 * UNIT if powers.any() else 0.0
    storing = UNIT + 2 * EXTENDED + by_powers  # rounding, the powers
    second, varying = least.root**2, s * least.slope * coefficient
    return series, Noise(
        value=_ratio(np.hypot(mean, varying), least.root) + storing,
        slope=slope + storing,
        mean=_ratio(mean, least.root) + storing,
        second=_ratio(2 * least.mean * mean + variance, second) + storing + by_powers,
        square=square + storing,
        spread=_ratio(varying, least.root) + storing,
        carried=_ratio(2 * least.mean * mean + variance, second) + 2 * by_powers + EXTENDED,
        unseen=2 * UNIT if powers.any() else 0.0,
    )


def _ratio(part: Any, whole: Array) -> float:
    """The largest part/whole, where 0/0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(part > 0, part / whole, 0.0)))


def _of_transform(table: Array, powers: IntArray, nodes: Array) -> Array:
    """Roundings of the transform from values at the nodes to coefficients, (5,).

    A coefficient is the mean of 2 |cos|, at most 2^(1/2) (Cauchy and Schwarz; the mean of cos^2 is
    1/2), times distances from the value at the middle node;
    each has a rounding of its own, of its power, of the cosine (2), of the product, and of at most
    BLOCK + points/BLOCK sums, and all coefficients may add up. The middle has three.
    """
    middle, points = nodes.size // 2, nodes.size
    each = np.append(powers[:FIRST], np.full(table.shape[1] - FIRST, powers[FIRST]))
    scaled: Array = table / nodes[:, None] ** each
    away = _sizes(scaled - scaled[middle]).max(axis=1)
    roundings = BLOCK + points / BLOCK + 5
    return EXTENDED * (1.42 * points * roundings * away + 3 * _sizes(scaled[[middle]])[:, 0])


def _shortened(series: Extended, carried: Array) -> tuple[Extended, Array]:
    """The series without what is below its errors, and these errors, (5,).

    Args:
        series: Chebyshev coefficients of the columns.
        carried: what is wrong already, in the order of ``_sizes``.
    """
    points = len(series)
    from_here = np.cumsum(_sizes(np.abs(series).astype(np.float64))[:, ::-1], axis=1)[:, ::-1]
    allowed = (carried + _sizes_of_sum(_roundings(series))) / 4
    kept = int(np.count_nonzero((from_here > allowed[:, None]).any(axis=0)))
    kept = min(max(4 * -(-kept // 4), 8), points)
    lost = from_here[:, kept] if kept < points else np.zeros(5)
    return series[:kept], carried + lost + _sizes_of_sum(_roundings(series[:kept]))


def _roundings(series: Extended) -> Array:
    """What rounding adds in each term and column of a series.

    t = 2 s/low - 3 is exact, and T_j is known to twice the digits (``chebyshev_sums``). Beside the
    last sum, which is rounded once, the j-th term has j + 3 roundings, in its coefficient, T_j,
    their product and the sum from the small terms on; that of j = 0 has none, since the sum begins
    with what its coefficient lost. The leading terms of moments are summed in twice the digits.
    """
    size: Array = np.abs(series).astype(np.float64)
    order, leading = np.arange(len(series)), leading_terms(series)
    each: Array = size * (np.where(order > 0, order + 3, 0) * UNIT)[:, None]
    each[:leading, :FIRST] = EXTENDED * size[:leading, :FIRST]
    return each


def _sizes(rows: Array) -> Array:
    """Sizes of (c_k, E w'^2, Var w/s^2, E w, b_k) of each row, (5, rows)."""
    c = rows[:, FIRST:]
    b = c / np.sqrt(np.arange(1.0, c.shape[1] + 1))
    of_c, of_b = (np.linalg.norm(part, axis=1) for part in (c, b))
    return np.stack([of_c, rows[:, SLOPE], rows[:, SPREAD], rows[:, MEAN], of_b])


def _sizes_of_sum(rows: Array) -> Array:
    """The same of the sum of all rows, (5,)."""
    return np.asarray(_sizes(rows.sum(axis=0, keepdims=True))[:, 0])
