r"""What the recursion needs to know of an activation: its coefficient tables.

Legend: s the standard deviation of a pre-activation, rho the correlation of two of them,
(u, u') the pair; c_k(s) = E[w'(s z) h_k(z)] the Hermite coefficients of the slope. With
b_k = c_k / sqrt(k + 1), Mehler's formula and Stein's lemma give both expectations at once,

    E[w(u) w(u')]   = E[w(u)] E[w(u')] + s s' rho P(rho),   P = sum_k b_k(s) b_k(s') rho^k,
    E[w'(u) w'(u')] = d/d rho (rho P(rho)),

without a division by s: a zero input needs no case of its own. The derivation and the
error bounds stand in docs/theory/duals.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.polynomial.chebyshev import chebvander
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.quadrature import Rule, graded_rule, hermite_basis, uniform_rule

__all__ = ["UNIT", "Duals", "duals"]

Array = NDArray[np.float64]

UNIT = 2.0**-53
"""Unit roundoff of float64."""
MOST_TERMS = 1024
"""Longest table; pairs that would need more are left to ``analytic.near``."""


@dataclass(frozen=True, slots=True, eq=False)
class Duals:
    """Moments and coefficients of one activation at n standard deviations s.

    Attributes:
        mean: E[w(s z)], shape (n,).
        second: E[w(s z)^2], shape (n,).
        slope: E[w'(s z)^2], shape (n,).
        curvature: E[w''(s z)^2], shape (n,).
        jerk: E[w'''(s z)^2], shape (n,).
        response_e: E[w'^2 + w w''], the derivative of ``second`` by s^2, shape (n,).
        response_d: E[w''^2 + w' w'''], the derivative of ``slope`` by s^2, shape (n,).
        coefficients: b_k(s), shape (terms, n).
        rest: bound of sum_{k >= terms} c_k(s)^2, shape (n,).
        noise: error of the quadrature relative to the root of the second moments.
    """

    mean: Array
    second: Array
    slope: Array
    curvature: Array
    jerk: Array
    response_e: Array
    response_d: Array
    coefficients: Array
    rest: Array
    noise: float


def duals(activation: Activation, s: Array, tail: float) -> Duals:
    """Tabulate an activation at the standard deviations s.

    Args:
        activation: w.
        s: standard deviations, shape (n,), non-negative.
        tail: ratio of ``rest`` to ``slope`` at which the table may end.
    """
    if activation.is_relu:
        return _relu(s)
    octaves = np.floor(np.log2(np.maximum(s, 2.0 ** (LOWEST - 1)))).astype(int)
    parts: list[tuple[NDArray[np.intp], Array]] = []
    noise = 0.0
    for octave in np.unique(octaves):
        members = np.flatnonzero(octaves == octave)
        segment = _segment(activation, int(octave))
        noise = max(noise, segment.noise)
        parts.append((members, segment.at(s[members], tail)))
    table = np.zeros((s.size, max(part.shape[1] for _, part in parts)))
    for members, part in parts:
        table[members, : part.shape[1]] = part
    if np.any(s == 0):
        table[s == 0] = _at_zero(activation, table.shape[1] - FIRST)
    return _named(s, table, noise)


def _at_zero(activation: Activation, terms: int) -> Array:
    """The raw table at s = 0, exactly: w and its derivatives are constants there."""
    w, w1, w2, w3 = (float(v) for v in activation.derivatives(np.zeros(()), 3))
    table = np.zeros(FIRST + terms)
    table[[MEAN, SLOPE, CURVATURE, JERK]] = w, w1**2, w2**2, w3**2
    table[[RESPONSE_E, RESPONSE_D]] = w1**2 + w * w2, w2**2 + w1 * w3
    table[[SPREAD, FIRST]] = w1**2, w1
    return table


def _relu(s: Array) -> Duals:
    """Moments of max(x, 0): its pairs have a closed form and need no coefficients."""
    none = np.zeros_like(s)
    return Duals(
        mean=s / np.sqrt(2 * np.pi),
        second=s**2 / 2,
        slope=np.full_like(s, 0.5),
        curvature=none,
        jerk=none,
        response_e=np.full_like(s, 0.5),
        response_d=none,
        coefficients=np.empty((0, s.size)),
        rest=none,
        noise=UNIT,
    )


def _named(s: Array, table: Array, noise: float) -> Duals:
    roots = np.sqrt(np.arange(1.0, table.shape[1] - FIRST + 1))
    return Duals(
        mean=table[:, MEAN],
        second=table[:, MEAN] ** 2 + s**2 * table[:, SPREAD],
        slope=table[:, SLOPE],
        curvature=np.maximum(table[:, CURVATURE], 0),
        jerk=np.maximum(table[:, JERK], 0),
        response_e=table[:, RESPONSE_E],
        response_d=table[:, RESPONSE_D],
        coefficients=np.ascontiguousarray((table[:, FIRST:] / roots).T),
        rest=table[:, REST],
        noise=noise,
    )


LOWEST = -32
"""All s below 2^LOWEST form one segment, since every table is analytic at s = 0."""

MEAN, SPREAD, SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D, REST, FIRST = range(9)
"""Columns of a raw table; the coefficients c_k begin at FIRST."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The raw table on one octave of s, as Chebyshev series in s.

    Attributes:
        low, high: the octave.
        series: Chebyshev coefficients of every column, shape (points, FIRST + terms).
        rests: largest sum_{k >= terms} c_k^2 / sum_k c_k^2 on the octave, after each
            number of terms, shape (terms + 1,).
        noise: relative error of quadrature and interpolation.
    """

    low: float
    high: float
    series: Array
    rests: Array
    noise: float

    def at(self, s: Array, tail: float) -> Array:
        """The raw table at s with as many terms as the tail needs."""
        terms = int(np.searchsorted(-self.rests, -tail))
        terms = min(8 * -(-max(terms, 1) // 8), self.rests.size - 1)
        t = (2 * s - self.low - self.high) / (self.high - self.low)
        table = chebvander(t, len(self.series) - 1) @ self.series[:, : FIRST + terms]
        table[:, REST] = table[:, SLOPE] * self.rests[terms]
        return table


@lru_cache(maxsize=512)
def _segment(activation: Activation, octave: int) -> Segment:
    low, high = (0.0, 2.0**LOWEST) if octave < LOWEST else (2.0**octave, 2.0 ** (octave + 1))
    terms = 32
    while True:
        rule, noise = _converged_rule(activation, np.array([low, high]), terms)
        last = _at(activation, np.array([high]), rule, terms)[0]
        if last[REST] <= 16 * UNIT * last[SLOPE] or terms == MOST_TERMS:
            break
        terms *= 2
    for points in (28, 40, 56, 80, 112, 128):
        cosines, middle, half = _cosines(points), (low + high) / 2, (high - low) / 2
        table = _at(activation, (middle + half * cosines[1]).astype(np.float64), rule, terms)
        series = np.asarray(cosines @ table * 2 / points, dtype=np.float64)
        series[0] /= 2
        error = _tail(series, high)
        if error <= 8 * UNIT:
            break
    return Segment(low, high, series, _rests(table), noise + error + 8 * UNIT)


@lru_cache(maxsize=16)
def _cosines(points: int) -> NDArray[np.longdouble]:
    """T_k at the Chebyshev points, cos(pi k (2 j + 1)/(2 points)), shape (points, points).

    In extended precision: at the ends of the interval rounding would add up coherently.
    """
    phase = np.outer(np.arange(points), 2 * np.arange(points) + 1) % (4 * points)
    return np.cos(np.arccos(np.longdouble(-1)) / (2 * points) * phase)


def _tail(series: Array, high: float) -> float:
    """Size of the last two Chebyshev coefficients of the columns, relative to the column."""
    scale = np.abs(series[0])
    scale[FIRST:] = np.sqrt(scale[SLOPE])
    scale[MEAN] = max(scale[MEAN], high * np.sqrt(scale[SPREAD]))
    scale[[CURVATURE, JERK, RESPONSE_E, RESPONSE_D, REST]] = np.inf  # only enter bounds
    return _largest_ratio(np.abs(series[-2:]).max(axis=0), scale)


def _largest_ratio(part: Array, whole: Array) -> float:
    """Max part / whole, where 0/0 is 0."""
    return float(np.max(part / np.where(whole > 0, whole, 1.0), initial=0.0))


def _rests(table: Array) -> Array:
    """sum_{k >= terms} c_k^2 / sum_k c_k^2 for terms = 0, 1, ..., the largest over s."""
    squares = np.append(table[:, FIRST:] ** 2, table[:, REST : REST + 1], axis=1)
    sums = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    return np.asarray((sums / table[:, SLOPE : SLOPE + 1]).max(axis=0))


def _at(activation: Activation, s: Array, rule: Rule, terms: int) -> Array:
    """Raw table, shape (n, FIRST + terms); SPREAD is Var[w(s z)] / s^2."""
    w, w1, w2, w3 = activation.derivatives(s[:, None] * rule.nodes, 3)  # (n, q) each
    table = np.empty((s.size, FIRST + terms))
    squares = {SLOPE: w1**2, CURVATURE: w2**2, JERK: w3**2}
    responses = {RESPONSE_E: w1**2 + w * w2, RESPONSE_D: w2**2 + w1 * w3}
    for column, values in (squares | responses).items():
        table[:, column] = values @ rule.weights
    c = table[:, FIRST:] = w1 @ hermite_basis(rule, terms).T  # (n, terms)
    rest = table[:, SLOPE] - np.sum(c**2, axis=1)
    table[:, REST] = np.maximum(rest, 0) + 8 * UNIT * table[:, SLOPE]
    table[:, MEAN] = w @ rule.weights
    table[:, SPREAD] = _spread(s, w - table[:, MEAN, None], c, rest, rule)
    return table


def _spread(s: Array, centred: Array, c: Array, rest: Array, rule: Rule) -> Array:
    """Var[w(s z)] / s^2, by Parseval's identity where the series is complete."""
    series = c**2 @ (1 / np.arange(1.0, c.shape[1] + 1))
    incomplete = rest > 2**10 * UNIT * series
    direct = (centred**2 @ rule.weights) / np.where(incomplete, s, 1.0) ** 2
    return np.where(incomplete, direct, series)


LARGEST_BASIS = 2**22
"""Most entries of a Hermite basis, which bounds the memory of the tables (32 MB)."""


def _converged_rule(activation: Activation, s: Array, terms: int) -> tuple[Rule, float]:
    """The cheapest rule that agrees with a finer one at s, and the difference.

    The numbers of nodes are not multiples of each other, so that a frequency above that
    of the nodes cannot be aliased in the same way by both; two rules that both miss a
    narrow slope are told by a third one, graded towards 0.
    """
    found: list[tuple[float, int, Rule]] = []
    coarse: dict[str, Array] = {}
    witness = _at(activation, s, graded_rule(256, max(float(s[-1]), 1.0)), 1)[:, SLOPE]
    half = 32.0
    while half * terms <= LARGEST_BASIS:
        for family, rule in _rules(round(half), float(s[-1])):
            fine = _at(activation, s, rule, terms)
            if family in coarse and np.all(fine[:, SLOPE] >= witness / 2):
                found.append((_difference(coarse[family], fine), len(found), rule))
            coarse[family] = fine
        if min(found, default=(1.0,))[0] <= 8 * UNIT:
            break
        half *= 2**0.5
    noise, _, rule = min(found)
    return rule, max(noise, UNIT)


def _rules(half: int, s: float) -> Iterator[tuple[str, Rule]]:
    if s > 0.5:
        yield "graded", graded_rule(half, s / 2)
    yield "uniform", uniform_rule(half)


def _difference(a: Array, b: Array) -> float:
    """Largest distance of two raw tables, relative to the root mean squares."""
    slope = np.linalg.norm(a[:, FIRST:] - b[:, FIRST:], axis=1)
    spread = np.abs(a[:, SPREAD] - b[:, SPREAD])
    return max(_largest_ratio(slope, np.sqrt(b[:, SLOPE])), _largest_ratio(spread, b[:, SPREAD]))
