"""The table of an activation on one octave of s, made once and kept.

Moments and coefficients are functions of the standard deviation s alone, analytic for
Re s > 0: Chebyshev interpolation in s converges geometrically on every octave.

Legend: as in ``analytic.expectations``; c_k(s) = E[w'(s z) h_k(z)], b_k = c_k / sqrt(k + 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analytic.activation import Activation
from analytic.expectations.quadrature import Rule, graded_rule, hermite_basis, uniform_rule
from analytic.machine import UNIT, Array
from analytic.proofs import kinks

__all__ = ["FIRST", "LOWEST", "MOST_TERMS", "MOST_TERMS_WHOLE", "Origin", "Segment", "segment"]

MOST_TERMS = 1024
"""Longest table; pairs that would need more are left to ``analytic.pairs.nearly_parallel``."""
MOST_TERMS_WHOLE = 4096
"""Longest table where no pair can be left out."""
MOST_TERMS_KINKED = 128
"""Longest table where w has a kink: its coefficients decay like a power of their order."""
LOWEST = -32
"""All s below 2^LOWEST are taken together, see ``Origin``."""

MEAN, SPREAD, SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D, REST, FIRST = range(9)
"""Columns of a table; the coefficients begin at FIRST."""


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The table on one octave of s, as Chebyshev series in s.

    Attributes:
        low: the smallest s.
        high: the largest s.
        series: Chebyshev coefficients of every column, shape (points, FIRST + terms); the
            columns from FIRST on are those of b_k.
        nodes: increasing values of s, the last one is ``high``, shape (points + 1,).
        rests: sum_{k >= terms} c_k^2 / sum_k c_k^2 after each number of terms, at the nodes,
            shape (points + 1, terms + 1).
        noise: relative error of quadrature and interpolation.
    """

    low: float
    high: float
    series: Array
    nodes: Array
    rests: Array
    noise: float

    def terms(self, s: float, tail: float) -> int:
        """How many terms leave a rest of at most ``tail`` up to s."""
        terms = int(np.searchsorted(-self._rests_up_to(s), -tail))
        return min(8 * -(-max(terms, 1) // 8), self.rests.shape[1] - 1)

    def rest(self, s: float, terms: int) -> float:
        """What so many terms leave up to s."""
        return float(self._rests_up_to(s)[terms])

    def shares(self, s: float, terms: int) -> Array:
        """What 0, 1, ..., ``terms`` terms leave up to s."""
        return self._rests_up_to(s)[: terms + 1]

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
    if kinked(activation):
        most = min(most, MOST_TERMS_KINKED)
    if octave < LOWEST and (origin := _origin(activation)) is not None:
        return origin
    found = _segment(activation, octave, 32, min(most, MOST_TERMS))
    if most > MOST_TERMS and found.rests[-1, -1] > 32 * UNIT:
        found = _segment(activation, octave, 2 * MOST_TERMS, most)
    if found.rests.shape[1] > least:
        return found
    return _segment(activation, octave, 1 << (least - 1).bit_length(), max(least, MOST_TERMS))


@lru_cache(maxsize=512)
def _segment(activation: Activation, octave: int, terms: int, most: int) -> Segment:
    low, high = (0.0, 2.0**LOWEST) if octave < LOWEST else (2.0**octave, 2.0 ** (octave + 1))
    while True:
        rule, noise = _converged_rule(activation, np.array([low, high]), terms)
        last = _at(activation, np.array([high]), rule, terms)
        if last[0, REST] <= 16 * UNIT * last[0, SLOPE] or terms >= most:
            break
        terms *= 2
    for points in (28, 40, 56, 80, 112, 128):
        cosines, middle, half = _cosines(points), (low + high) / 2, (high - low) / 2
        nodes = (middle + half * cosines[1]).astype(np.float64)
        table = _at(activation, nodes, rule, terms)
        series = np.asarray(cosines @ table * 2 / points, dtype=np.float64)
        series[0] /= 2
        error = _tail(series, high)
        if error <= 8 * UNIT:
            break
    series[:, FIRST:] /= np.sqrt(np.arange(1.0, terms + 1))
    nodes, table = np.append(nodes[::-1], high), np.concatenate([table[::-1], last])
    return Segment(low, high, series, nodes, _rests(table), noise + error + 8 * UNIT)


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
    """The largest part / whole, where 0/0 is 0."""
    return float(np.max(part / np.where(whole > 0, whole, 1.0), initial=0.0))


def _rests(table: Array) -> Array:
    """Shares sum_{k >= terms} c_k^2 / sum_k c_k^2 for terms = 0, 1, ..., at every s."""
    squares = np.append(table[:, FIRST:] ** 2, table[:, REST : REST + 1], axis=1)
    sums = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    slope = table[:, SLOPE : SLOPE + 1]
    return np.asarray(sums / np.where(slope > 0, slope, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The table below 2^LOWEST, by Taylor's formula: the next order is s^2 < 2^-64 of it.

    A segment cannot give small values of s their relative accuracy.

    Attributes:
        derivatives: w, w', w'' and the third derivative at 0.
        noise: as for ``Segment``.
    """

    derivatives: tuple[float, float, float, float]
    noise: float = 8 * UNIT

    def terms(self, s: float, tail: float) -> int:
        """See ``Segment``."""
        return 8

    def rest(self, s: float, terms: int) -> float:
        """See ``Segment``."""
        return 8 * UNIT

    def shares(self, s: float, terms: int) -> Array:
        """See ``Segment``."""
        return np.where(np.arange(terms + 1) < self.terms(s, 0.0), 1.0, 8 * UNIT)

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


def _at(activation: Activation, s: Array, rule: Rule, terms: int) -> Array:
    """The table of c_k, shape (n, FIRST + terms); SPREAD is Var[w(s z)] / s^2."""
    w, w1, w2, w3 = activation.derivatives(s[:, None] * rule.nodes, 3)  # (n, q) each
    if kinked(activation):  # a jump at a node counts half of either side
        middle = rule.nodes.size // 2
        w1, w2, w3 = np.array(w1), np.array(w2), np.array(w3)
        for values in (w1, w2, w3):
            values[:, middle] = (values[:, middle - 1] + values[:, middle + 1]) / 2
    table = np.empty((s.size, FIRST + terms))
    squares = {SLOPE: w1**2, CURVATURE: w2**2, JERK: w3**2}
    responses = {RESPONSE_E: w1**2 + w * w2, RESPONSE_D: w2**2 + w1 * w3}
    if kinked(activation):  # the same by parts, where w'' has a mass at 0
        by_parts = (rule.nodes**2 - 1) / (2 * s[:, None] ** 2)
        responses = {RESPONSE_E: w**2 * by_parts, RESPONSE_D: w1**2 * by_parts}
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
    if kinked(activation):
        witness = np.zeros(s.size)
    else:
        witness = _at(activation, s, graded_rule(256, max(float(s[-1]), 1.0)), 1)[:, SLOPE]
    half = 32.0
    while half * terms <= LARGEST_BASIS:
        for family, rule in _rules(round(half), float(s[-1]), kinked(activation)):
            fine = _at(activation, s, rule, terms)
            if family in coarse and np.all(fine[:, SLOPE] >= witness / 2):
                found.append((_difference(coarse[family], fine), len(found), rule))
            coarse[family] = fine
        if min(found, default=(1.0,))[0] <= 8 * UNIT:
            break
        half *= 2**0.5
    noise, _, rule = min(found)
    return rule, max(noise, UNIT)


def _rules(half: int, s: float, kink: bool) -> Iterator[tuple[str, Rule]]:
    if kink:
        yield "geometric", graded_rule(half, FINEST)
        return
    if s > 0.5:
        yield "graded", graded_rule(half, s / 2)
    yield "uniform", uniform_rule(half)


FINEST = 2.0**40
"""How much finer than z itself the nodes are at a kink at z = 0."""


@lru_cache(maxsize=256)
def kinked(activation: Activation) -> bool:
    """Whether the only place where w may fail to be smooth is 0, and is there."""
    found = kinks(activation.expression)
    return found.complete and found.places == (0,)


def _difference(a: Array, b: Array) -> float:
    """Largest distance of two raw tables, relative to the root mean squares."""
    slope = np.linalg.norm(a[:, FIRST:] - b[:, FIRST:], axis=1)
    spread = np.abs(a[:, SPREAD] - b[:, SPREAD])
    return max(_largest_ratio(slope, np.sqrt(b[:, SLOPE])), _largest_ratio(spread, b[:, SPREAD]))
