"""What a table of one octave of s consists of, and how it is made from values at nodes.

Legend: as in ``analytic.expectations``; c_k(s) = E[w'(s z) h_k(z)], b_k = c_k / sqrt(k + 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analytic.expectations.node_tables import (
    CURVATURE,
    FIRST,
    JERK,
    MEAN,
    RESPONSE_D,
    RESPONSE_E,
    REST,
    SLOPE,
    SPREAD,
)
from analytic.expectations.quadrature import Extended
from analytic.machine import UNIT, Array

__all__ = [
    "BLOCK",
    "EXACT",
    "IntArray",
    "Noise",
    "Responses",
    "Segment",
    "assembled",
    "chebyshev_nodes",
    "chebyshev_series",
    "leading_terms",
]

IntArray = NDArray[np.int64]


class Noise(NamedTuple):
    """Errors of a table, relative to the norms of w and w'.

    Attributes:
        value: of E[w] and of (s b_k)_k together, relative to the root of E[w^2].
        slope: of (c_k)_k, relative to the root of E[w'^2].
        mean: of E[w], relative to the root of E[w^2].
        second: of E[w^2].
        square: of E[w'^2].
        spread: of (s b_k)_k alone, relative to the root of E[w^2].
        carried: of E[w^2] in extended precision.
        unseen: the relative error of s^2, given in extended precision, that the table makes.
        certified: whether these are bounds; otherwise two rules have agreed so far.
    """

    value: float = UNIT
    slope: float = UNIT
    mean: float = UNIT
    second: float = UNIT
    square: float = UNIT
    spread: float = UNIT
    carried: float = UNIT
    unseen: float = 2 * UNIT
    certified: bool = True

    @classmethod
    def of_moments(cls, error: float) -> Noise:
        """Where all moments have the same relative error, beside one rounding for E[w^2]."""
        return cls(error, error, error, error, error, error, error - UNIT, 0.0)

    @classmethod
    def of_coefficients(cls, value: float, slope: float, certified: bool = True) -> Noise:
        """Where the moments have errors like the coefficients: squares have twice as much.

        To E[w]^2 + s^2 Var/s^2 four roundings are added, to the root of E[w^2] in E[w] two.
        """
        second = 2 * value + 4 * UNIT
        return cls(
            value, slope, value + 2 * UNIT, second, 2 * slope, value, second, certified=certified
        )

    @property
    def of_values(self) -> float:
        """Of E[w], (s b_k)_k and the root of E[w^2]."""
        return max(self.value, self.mean, self.second / 2)

    @property
    def of_pairs(self) -> tuple[float, ...]:
        """Those that enter E and D of pairs: ``value``, ``slope``, ``mean`` and ``spread``."""
        return self.value, self.slope, self.mean, self.spread

    @property
    def largest(self) -> float:
        """The largest error, of roots where there are squares."""
        return max(self.of_values, self.slope, self.square / 2)

    def joined(self, other: Noise) -> Noise:
        """The larger errors of both."""
        largest = map(max, self[:-1], other[:-1])
        return Noise(*largest, certified=self.certified and other.certified)


EXACT = Noise(carried=0.0, unseen=0.0)
"""What tables only add to."""


class Responses(NamedTuple):
    """Bounds of the responses of E w^2 and E w'^2, ``found`` (2, places), for s in [low, high]."""

    low: Array
    high: Array
    found: Array

    def largest(self, low: float, high: float) -> Array:
        """The largest ones for s from low to high, (2,)."""
        met = (self.high >= low) & (self.low <= high)
        return self.found.max(axis=1, where=met, initial=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """The table on one octave of s, as Chebyshev series in s.

    Attributes:
        low: the smallest s.
        high: the largest s.
        series: Chebyshev coefficients of every column, shape (points, FIRST + terms); the
            columns from FIRST on are those of b_k.
        remainders: what rounding took from the columns of the moments, (points, FIRST).
        leading: terms of the moments that are summed in twice the digits.
        start: what it took from the first row, (FIRST + terms,).
        powers: powers of s by which the series is multiplied, (FIRST + 1,): the last one is
            that of all b_k. Activations that grow fast keep their relative accuracy so.
        nodes: increasing values of s, the last one is ``high``, shape (points + 1,).
        rests: sum_{k >= terms} c_k^2 / sum_k c_k^2 after each number of terms, at the nodes and
            between them and the nodes before, shape (points + 1, terms + 1).
        noise: errors of quadrature, interpolation and rounding.
        responses: of E w^2 and E w'^2 to a relative error of s^2, where they are bounded.
    """

    low: float
    high: float
    series: Array
    remainders: Array
    leading: int
    start: Array
    powers: NDArray[np.int64]
    nodes: Array
    rests: Array
    noise: Noise
    responses: Responses | None = None

    @property
    def size(self) -> int:
        """The number of coefficients."""
        return self.rests.shape[1] - 1

    @property
    def complete(self) -> bool:
        """Whether more coefficients would be below rounding."""
        return bool(self.rests[-1, -1] <= 32 * UNIT)

    def noise_at(self, s: Array) -> Noise:
        """That of these s: of all alike."""
        return self.noise

    def terms(self, s: float, tail: float) -> int:
        """How many terms leave a rest of at most ``tail`` up to s."""
        terms = int(np.searchsorted(-self._rests_up_to(s), -tail))
        return min(8 * -(-max(terms, 1) // 8), self.size)

    def rest(self, s: float, terms: int) -> float:
        """What so many terms leave up to s."""
        return float(self._rests_up_to(s)[terms])

    def shares(self, s: float, terms: int) -> Array:
        """What 0, 1, ..., ``terms`` terms leave up to s."""
        return self._rests_up_to(s)[: terms + 1]

    def _rests_up_to(self, s: float) -> Array:
        return self.rests[: int(np.searchsorted(self.nodes, s)) + 1].max(axis=0)


def chebyshev_nodes(low: float, high: float, points: int) -> Array:
    """The Chebyshev points of an octave, decreasing."""
    middle, half = (low + high) / 2, (high - low) / 2
    return np.asarray((middle + half * _cosines(points)[1]).astype(np.float64))


def chebyshev_series(
    table: Extended, nodes: Array, power: tuple[int, int]
) -> tuple[Extended, IntArray]:
    """Chebyshev coefficients of the columns over powers of s, and these powers.

    What the columns are at the middle node is set aside, and sums have parts of ``BLOCK`` terms:
    both make roundings smaller, see ``bounded_tables``.
    """
    powers = np.zeros(FIRST + 1, dtype=np.int64)
    powers[[SPREAD, SLOPE, CURVATURE, JERK, RESPONSE_E, RESPONSE_D]] = 2 * power[0]
    powers[FIRST], powers[MEAN] = power
    scaled = table
    if powers.any():
        each = np.append(powers[:FIRST], np.full(table.shape[1] - FIRST, power[0]))
        scaled = table / nodes.astype(np.longdouble)[:, None] ** each
    points, middle = nodes.size, scaled[nodes.size // 2]
    waves, rest = _cosines(points), scaled - middle
    blocks = [slice(start, start + BLOCK) for start in range(0, points, BLOCK)]
    series: Any = sum(waves[:, part] @ rest[part] for part in blocks) * 2 / points
    series[0] = series[0] / 2 + middle
    return series, powers


BLOCK = 8
"""Terms that are added up before they are added to others."""


def assembled(
    low: float, high: float, series: Extended, powers: IntArray, nodes: Array, table: Array,
    last: Array, noise: Noise, lost: float = 0.0,
) -> Segment:  # fmt: skip
    """The segment of a series of c_k and of the table at the nodes and at the end.

    ``lost`` is what the rule may have lost of sum_{k >= terms} c_k^2, relative to E w'^2.
    """
    orders: Extended = np.arange(1, series.shape[1] - FIRST + 1, dtype=np.longdouble)
    of_b = np.concatenate([series[:, :FIRST], series[:, FIRST:] / np.sqrt(orders)], axis=1)
    rounded = of_b.astype(np.float64)
    below = (of_b - rounded).astype(np.float64)
    nodes, table = np.append(nodes[::-1], high), np.concatenate([table[::-1], last])
    first = _at_low(of_b[:, SLOPE], low, int(powers[SLOPE])) * (1 - noise.square)
    begins = (low, first) if noise.certified else (nodes[0], table[0, SLOPE])
    rests = _rests(table, nodes, begins, lost)
    return Segment(
        low, high, rounded, below[:, :FIRST].copy(), leading_terms(series), below[0].copy(), powers,
        nodes, rests, noise,
    )  # fmt: skip


def _at_low(series: Extended, low: float, power: int) -> float:
    """What a series is at the smallest s."""
    return float(np.sum(series[::2]) - np.sum(series[1::2])) * low**power


SPARED = 1 / 64
"""Units of rounding of the first term that the later terms may add to a moment."""


def leading_terms(series: Extended) -> int:
    """After how many terms j + 3 roundings of each term are too small to matter in the moments."""
    size: Array = np.abs(series[:, [MEAN, SPREAD, SLOPE]]).astype(np.float64)
    roundings = size * (np.arange(len(size)) + 3)[:, None]
    from_here = np.cumsum(roundings[::-1], axis=0)[::-1]
    small = (from_here <= SPARED * size[0]).all(axis=1)
    return int(np.argmax(small)) if small.any() else len(size)


@lru_cache(maxsize=16)
def _cosines(points: int) -> NDArray[np.longdouble]:
    """T_k at the Chebyshev points, cos(pi k (2 j + 1)/(2 points)), shape (points, points).

    In extended precision: at the ends of the interval rounding would add up coherently.
    """
    phase = np.outer(np.arange(points), 2 * np.arange(points) + 1) % (4 * points)
    return np.cos(np.arccos(np.longdouble(-1)) / (2 * points) * phase)


def _rests(table: Array, nodes: Array, first: tuple[float, float], lost: float) -> Array:
    r"""Shares sum_{k >= terms} c_k^2 / sum_k c_k^2 for terms = 0, 1, ..., up to every node.

    s R_N(s), with R_N the sum over k >= N, grows with s for every N (docs/theory/duals.md). Between
    two nodes s_- < s_+ the share is therefore at most s_+ R_N(s_+)/(s_- R_0(s_-)).

    Args:
        table: at the nodes.
        nodes: s, increasing.
        first: the smallest s, which is no node, and R_0 there.
        lost: what the R_N at a node may lack of R_0 there.
    """
    squares = np.append(table[:, FIRST:] ** 2, table[:, REST : REST + 1], axis=1)
    sums = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1] + lost * table[:, SLOPE, None]
    before = np.append(first[0] * first[1], nodes[:-1] * table[:-1, SLOPE])
    before = np.minimum(before, nodes * table[:, SLOPE])[:, None]
    return np.asarray(nodes[:, None] * sums / np.where(before > 0, before, 1.0))
