"""The table of an activation on one octave of s, made once and kept.

Moments and coefficients are functions of the standard deviation s alone, analytic for
Re s > 0: Chebyshev interpolation in s converges geometrically on every octave.

Legend: as in ``analytic.expectations``; c_k(s) = E[w'(s z) h_k(z)], b_k = c_k / sqrt(k + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.estimated_tables import (
    LARGEST_BASIS,
    converged_rule,
    largest_ratio,
    size_of_last,
)
from analytic.expectations.interpolation_error import Ellipses, ellipses
from analytic.expectations.interpolation_error import error as interpolation_error
from analytic.expectations.interpolation_error import points as enough_points
from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    INCOMPLETE,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    REST,
    SLOPE,
    SPREAD,
    evaluation_errors,
    tabulated,
)
from analytic.expectations.quadrature import graded_rule
from analytic.expectations.quadrature_error import PARTS, Choice, Contours, contours
from analytic.machine import UNIT, Array

__all__ = [
    "CURVATURE",
    "FIRST",
    "JERK",
    "LOWEST",
    "MEAN",
    "MOST_TERMS",
    "MOST_TERMS_WHOLE",
    "RESPONSE_D",
    "RESPONSE_E",
    "SLOPE",
    "SPREAD",
    "Noise",
    "Origin",
    "Segment",
    "segment",
]  # fmt: skip

IntArray = NDArray[np.int64]

MOST_TERMS = 1024
"""Longest table; pairs that would need more are left to ``analytic.pairs.nearly_parallel``."""
MOST_TERMS_WHOLE = 4096
"""Longest table where no pair can be left out."""
LOWEST = -32
"""All s below 2^LOWEST are taken together, see ``Origin``."""
MOST_POINTS = 320
"""Most points of an interpolation in s."""


class Noise(NamedTuple):
    """Errors of a table, relative to the norms of w and w'.

    Attributes:
        value: of E[w] and of (s b_k)_k together, and half of that of E[w^2], relative to the
            root of E[w^2].
        slope: of (c_k)_k, and half of that of E[w'^2], relative to the root of E[w'^2].
        certified: whether these are bounds; otherwise two rules have agreed so far.
    """

    value: float = UNIT
    slope: float = UNIT
    certified: bool = True

    def joined(self, other: Noise) -> Noise:
        """The larger errors of both."""
        return Noise(
            max(self.value, other.value),
            max(self.slope, other.slope),
            self.certified and other.certified,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The table on one octave of s, as Chebyshev series in s.

    Attributes:
        low: the smallest s.
        high: the largest s.
        series: Chebyshev coefficients of every column, shape (points, FIRST + terms); the
            columns from FIRST on are those of b_k.
        powers: powers of s by which the series is multiplied, (FIRST + 1,): the last one is
            that of all b_k. Activations that grow fast keep their relative accuracy so.
        nodes: increasing values of s, the last one is ``high``, shape (points + 1,).
        rests: sum_{k >= terms} c_k^2 / sum_k c_k^2 after each number of terms, at the nodes,
            shape (points + 1, terms + 1).
        noise: errors of quadrature, interpolation and rounding.
    """

    low: float
    high: float
    series: Array
    powers: NDArray[np.int64]
    nodes: Array
    rests: Array
    noise: Noise

    def terms(self, s: float, tail: float) -> int:
        """How many terms leave a rest of at most ``tail`` up to s."""
        terms = int(np.searchsorted(-self._rests_up_to(s), -tail))
        return min(8 * -(-max(terms, 1) // 8), self.rests.shape[1] - 1)

    def rest(self, s: float, terms: int) -> float:
        """What so many terms leave up to s."""
        return float(self._rests_up_to(s)[terms])

    def _rests_up_to(self, s: float) -> Array:
        return self.rests[: int(np.searchsorted(self.nodes, s)) + 1].max(axis=0)


def segment(
    activation: Activation, octave: int, least: int = 0, most: int = MOST_TERMS
) -> Segment | Origin:
    """The table for s in [2^octave, 2^(octave + 1)], or below 2^LOWEST.

    Args:
        activation: w.
        octave: which one.
        least: the smallest number of terms; without it as many as are above rounding.
        most: the largest number of terms.
    """
    if octave < LOWEST and (origin := _origin(activation)) is not None:
        return origin
    found = _segment(activation, octave, 32, MOST_TERMS)
    if most > MOST_TERMS and found.rests[-1, -1] > 32 * UNIT:
        found = _segment(activation, octave, 2 * MOST_TERMS, most)
    if found.rests.shape[1] > least:
        return found
    return _segment(activation, octave, 1 << (least - 1).bit_length(), max(least, MOST_TERMS))


@lru_cache(maxsize=512)
def _segment(activation: Activation, octave: int, terms: int, most: int) -> Segment:
    low, high = (0.0, 2.0**LOWEST) if octave < LOWEST else (2.0**octave, 2.0 ** (octave + 1))
    bounds = _bounds(activation, low, high) if octave >= LOWEST else None
    found = None if bounds is None else _bounded_segment(activation, low, bounds, terms, most)
    return found or _estimated_segment(activation, low, high, terms, most)


class _Proved(NamedTuple):
    """What bounds the errors of quadrature and interpolation on one octave."""

    contours: Contours
    ellipses: Ellipses


def _bounds(activation: Activation, low: float, high: float) -> _Proved | None:
    """None where no bounds are known."""
    edges = low * (high / low) ** (np.arange(PARTS + 1) / PARTS)
    witness = graded_rule(256, max(high, 1.0))
    w, w1 = activation.derivatives(edges[:, None] * witness.nodes, 1)
    with np.errstate(divide="ignore", over="ignore"):
        norms = np.log(np.stack([w1**2, w**2]) @ witness.weights) / 2
    norms = np.minimum(norms[:, 1:], norms[:, :-1])
    if activation.stable(1) == 0:
        norms[0] = 0.0
    if not np.isfinite(norms).all():
        return None
    on = contours(activation, low, high, norms)
    around = None if on is None else ellipses(activation, low, on.reach)
    return None if on is None or around is None else _Proved(on, around)


def _bounded_segment(
    activation: Activation, low: float, bounds: _Proved, terms: int, most: int
) -> Segment | None:
    """The segment with a bound of its errors, or None if it would be larger than allowed."""
    high = 2 * low
    while True:
        choice = bounds.contours.choose(terms)
        if choice is None or choice.rule.nodes.size * terms > 2 * LARGEST_BASIS:
            return None
        last = tabulated(activation, np.array([high]), choice.rule, terms)
        if last[0, REST] <= 16 * UNIT * last[0, SLOPE] or terms >= most:
            break
        terms *= 2
    power = _powers(bounds.contours.norms)
    logs = bounds.ellipses.logs(terms, (power[0], 2 * power[0], 2 * power[0], power[1]))
    points = enough_points(logs, _wanted(bounds.contours.norms, last[0], low, power))
    if points > MOST_POINTS:
        return None
    nodes = _nodes(low, high, points)
    table = tabulated(activation, nodes, choice.rule, terms)
    series, powers = _series(table, nodes, power)
    errors = _errors(activation, nodes, table, choice, low)
    series, noise = _noise(series, nodes, table, powers, errors, interpolation_error(logs, points))
    return _assembled(low, high, series, powers, nodes, table, last, noise)


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


def _nodes(low: float, high: float, points: int) -> Array:
    middle, half = (low + high) / 2, (high - low) / 2
    return np.asarray((middle + half * _cosines(points)[1]).astype(np.float64))


def _series(table: Array, nodes: Array, power: tuple[int, int]) -> tuple[Array, IntArray]:
    """Chebyshev coefficients of the columns over powers of s, and these powers."""
    powers = np.zeros(FIRST + 1, dtype=np.int64)
    powers[[SPREAD, SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D]] = 2 * power[0]
    powers[FIRST], powers[MEAN] = power
    scaled = table.astype(np.longdouble)
    if powers.any():
        each = np.append(powers[:FIRST], np.full(table.shape[1] - FIRST, power[0]))
        scaled /= nodes.astype(np.longdouble)[:, None] ** each
    series = np.asarray(_cosines(nodes.size) @ scaled * 2 / nodes.size, dtype=np.float64)
    series[0] /= 2
    return series, powers


def _errors(
    activation: Activation, nodes: Array, table: Array, choice: Choice, low: float
) -> Array:
    """Absolute errors of (coefficients, E w'^2, Var w/s^2, E w) at the nodes, (4, points)."""
    found = evaluation_errors(activation, nodes, choice.rule, table)
    part = np.clip((np.log2(nodes / low) * PARTS).astype(int), 0, PARTS - 1)
    slope, square, mean, power = (
        np.maximum(e[part], np.maximum(e[np.maximum(part - 1, 0)], e[np.minimum(part + 1, 3)]))
        for e in choice[1:]
    )
    root = np.sqrt(np.maximum(table[:, SPREAD], 0))
    by_series = table[:, REST] <= INCOMPLETE / 2 * table[:, SPREAD]
    spread = np.where(
        by_series, 2 * root * slope, (power + 2 * np.abs(table[:, MEAN]) * mean) / nodes**2
    )
    return np.stack(
        [found.slope + slope, found.square + square, found.spread + spread, found.mean + mean]
    )


def _noise(
    series: Array, nodes: Array, table: Array, powers: IntArray, errors: Array, interpolated: Array
) -> tuple[Array, Noise]:
    """The series without what is below rounding, and the errors of what it gives.

    Interpolation carries the errors at the nodes to other s with Lebesgue's constant, at most
    2/pi log(n) + 1; evaluating T_j by its recurrence costs 5 j^2 u, the sum j + 6 roundings.
    """
    points = nodes.size
    lebesgue = 2 / math.pi * math.log(points) + 1
    own = [powers[FIRST], powers[SLOPE], powers[SPREAD], powers[MEAN]]
    scale = np.stack([nodes**-p for p in own])
    norm = np.sqrt(table[:, SLOPE])
    second = table[:, MEAN] ** 2 + nodes**2 * table[:, SPREAD]
    sizes = np.stack([norm, table[:, SLOPE], np.maximum(table[:, SPREAD], 0), np.sqrt(second)])
    least = (sizes * scale).min(axis=1)  # (4,)
    rows = _four(np.abs(series))  # (4, points)
    from_here = np.cumsum(rows[:, ::-1], axis=1)[:, ::-1]
    carried = lebesgue * (errors * scale).max(axis=1) + np.exp(interpolated)
    allowed = carried / 8 + 4 * UNIT * least
    kept = int(np.count_nonzero((from_here > allowed[:, None]).any(axis=0)))
    kept = min(max(4 * -(-kept // 4), 8), points)
    lost = from_here[:, kept] if kept < points else np.zeros(4)
    order = np.arange(kept)
    rounding = _four_of_sum(np.abs(series[:kept]) * ((5 * order**2 + order + 6) * UNIT)[:, None])
    total = carried + lost + rounding
    storing = 4 * UNIT + (8 * UNIT if powers.any() else 0.0)
    slope, square, _, _ = (
        largest_ratio(np.atleast_1d(e), np.atleast_1d(size))
        for e, size in zip(total, least, strict=True)
    )
    slope = max(slope, square / 2) + storing
    mean = total[3] / scale[3]
    spread = nodes**2 * total[2] / scale[2]
    root = np.sqrt(second)
    value = max(
        largest_ratio(mean + nodes * norm * slope, root),
        largest_ratio(np.abs(table[:, MEAN]) * mean + spread / 2, second),
    )
    return series[:kept], Noise(value + storing, slope)


def _four(rows: Array) -> Array:
    """Sizes of (coefficients, E w'^2, Var w/s^2, E w) of each row, (4, rows)."""
    norms = np.linalg.norm(rows[:, FIRST:], axis=1)
    return np.stack([norms, rows[:, SLOPE], rows[:, SPREAD], rows[:, MEAN]])


def _four_of_sum(rows: Array) -> Array:
    """The same of the sum of all rows, (4,)."""
    return np.asarray(_four(rows.sum(axis=0, keepdims=True))[:, 0])


def _assembled(
    low: float, high: float, series: Array, powers: IntArray, nodes: Array, table: Array,
    last: Array, noise: Noise,
) -> Segment:  # fmt: skip
    series[:, FIRST:] /= np.sqrt(np.arange(1.0, series.shape[1] - FIRST + 1))
    nodes, table = np.append(nodes[::-1], high), np.concatenate([table[::-1], last])
    return Segment(low, high, series, powers, nodes, _rests(table), noise)


def _estimated_segment(
    activation: Activation, low: float, high: float, terms: int, most: int
) -> Segment:
    """The segment with an estimate of its errors."""
    while True:
        rule, noise = converged_rule(activation, np.array([low, high]), terms)
        last = tabulated(activation, np.array([high]), rule, terms)
        if last[0, REST] <= 16 * UNIT * last[0, SLOPE] or terms >= most:
            break
        terms *= 2
    for points in (28, 40, 56, 80, 112, 128):
        nodes = _nodes(low, high, points)
        table = tabulated(activation, nodes, rule, terms)
        series, powers = _series(table, nodes, (0, 0))
        error = size_of_last(series, high)
        if error <= 8 * UNIT:
            break
    estimate = noise + error + 8 * UNIT
    found = Noise(estimate, estimate, certified=False)
    return _assembled(low, high, series, powers, nodes, table, last, found)


@lru_cache(maxsize=16)
def _cosines(points: int) -> NDArray[np.longdouble]:
    """T_k at the Chebyshev points, cos(pi k (2 j + 1)/(2 points)), shape (points, points).

    In extended precision: at the ends of the interval rounding would add up coherently.
    """
    phase = np.outer(np.arange(points), 2 * np.arange(points) + 1) % (4 * points)
    return np.cos(np.arccos(np.longdouble(-1)) / (2 * points) * phase)


def _rests(table: Array) -> Array:
    """Shares sum_{k >= terms} c_k^2 / sum_k c_k^2 for terms = 0, 1, ..., at every s."""
    squares = np.append(table[:, FIRST:] ** 2, table[:, REST : REST + 1], axis=1)
    sums = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    slope = table[:, SLOPE : SLOPE + 1]
    return np.asarray(sums / np.where(slope > 0, slope, 1.0))


_FIRST_ORDER = Noise(8 * UNIT, 8 * UNIT)


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The table below 2^LOWEST, by Taylor's formula: the next order is s^2 < 2^-64 of it.

    A segment cannot give small values of s their relative accuracy.

    Attributes:
        derivatives: w, w', w'' and the third derivative at 0.
        noise: as for ``Segment``.
    """

    derivatives: tuple[float, float, float, float]
    noise: Noise = _FIRST_ORDER

    def terms(self, s: float, tail: float) -> int:
        """See ``Segment``."""
        return 8

    def rest(self, s: float, terms: int) -> float:
        """See ``Segment``."""
        return 8 * UNIT

    def table(self, s: Array, terms: int) -> Array:
        """All columns, shape (FIRST + terms, n)."""
        w, w1, w2, w3 = self.derivatives
        v = s**2
        table = np.zeros((FIRST + max(terms, 3), s.size))
        table[MEAN] = w + w2 * v / 2
        table[SPREAD] = w1**2 + v * (w2**2 / 2 + w1 * w3) + v**2 * (15 / 36) * w3**2
        table[SLOPE] = w1**2 + v * (w2**2 + w1 * w3) + v**2 * (3 / 4) * w3**2
        table[CURVATURE] = w2**2 + v * w3**2
        table[JERK] = w3**2
        table[RESPONSE_E] = table[SLOPE] + w * w2 + v * (w1 * w3 + w2**2 / 2)
        table[RESPONSE_D] = table[CURVATURE] + w1 * w3
        table[FIRST] = w1 + w3 * v / 2
        table[FIRST + 1] = w2 * s / np.sqrt(2)
        table[FIRST + 2] = w3 * v / np.sqrt(6)
        return table[: FIRST + terms]


@lru_cache(maxsize=128)
def _origin(activation: Activation) -> Origin | None:
    """The expansion at 0, or None where w has a kink or is flat there."""
    step = 2.0**LOWEST
    at = activation.derivatives(np.array([0.0, step, -step]), 3)
    w1, w2, w3 = (abs(float(values[0])) for values in at[1:])
    expected = at[1][0] + at[2][0] * np.array([step, -step])
    if np.all(np.abs(at[1][1:] - expected) <= step**2 * (w1 + w2 + w3)):
        return Origin(tuple(float(values[0]) for values in at))  # type: ignore[arg-type]
    return None
